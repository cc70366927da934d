/** When to try again: later after each failure, never before the server said, and not together with everybody else. */

const LONGEST_MS = 60_000;
const SUSPECT_AFTER = 3;

/**
 * @param {number} failures in a row, from 1
 * @param {number} retryAfterMs what the server asked for, 0 when it did not
 * @param {() => number} random 0..1
 * @returns {number} milliseconds
 */
export function backoffMs(failures, retryAfterMs, random) {
  if (retryAfterMs) return retryAfterMs + random() * 1000;
  const ceiling = Math.min(LONGEST_MS, 1000 * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}

export class Pace {
  #browser;
  #failures = 0;
  #notBefore = 0;
  /** Until when the server asked to be left alone. */
  #askedUntil = 0;

  /** @param {any} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  /** Milliseconds until the next attempt, 0 for now. */
  get waitMs() {
    return Math.max(0, this.#notBefore - this.#browser.Date.now());
  }

  succeeded() {
    this.#failures = this.#notBefore = this.#askedUntil = 0;
  }

  /** @param {number} retryAfterMs @returns {boolean} whether it is time to tell the page's developer */
  failed(retryAfterMs) {
    const nowMs = this.#browser.Date.now();
    this.#failures += 1;
    this.#askedUntil = nowMs + retryAfterMs;
    this.#notBefore = nowMs + backoffMs(this.#failures, retryAfterMs, this.#browser.Math.random);
    return this.#failures === SUSPECT_AFTER;
  }

  /** The network is back: try within a second, unless the server asked for more. */
  hurry() {
    const soon = this.#browser.Date.now() + this.#browser.Math.random() * 1000;
    this.#notBefore = Math.max(this.#askedUntil, Math.min(this.#notBefore, soon));
  }

  /** Somebody asked for it: try at once. */
  reset() {
    this.#notBefore = 0;
  }
}
