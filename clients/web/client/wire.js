/** Requests to the feedback API, with the key, a deadline and the browser's budget for what may outlive the page. */

/** Browsers let 64 KiB of `keepalive` bodies be under way for a page; some is left to the page's own code. */
export const KEEPALIVE_BYTES = 60 * 1024;

/** @typedef {{status: number, headers: Headers, body: any}} Answer `body` is undefined where it is no JSON */

export class Wire {
  #browser;
  #base;
  #key;
  #timeoutMs;
  #keepaliveBytes = 0;

  /** @param {any} browser @param {{url: string, key: string, timeoutMs: number}} options */
  constructor(browser, { url, key, timeoutMs }) {
    this.#browser = browser;
    this.#base = url;
    this.#key = key;
    this.#timeoutMs = timeoutMs;
  }

  /** How many bytes of bodies may still be sent so that they outlive the page. */
  get keepaliveLeft() {
    return KEEPALIVE_BYTES - this.#keepaliveBytes;
  }

  /** @param {string} path @returns {Promise<Answer>} */
  get(path) {
    return this.#ask(path, { method: "GET" });
  }

  /**
   * @param {string} path
   * @param {string} body JSON
   * @param {{mayOutlive: boolean}} options whether to ask for `keepalive`, where the budget allows
   * @returns {Promise<Answer | undefined>} undefined: the network failed and the outcome is unknown
   */
  async post(path, body, { mayOutlive }) {
    const bytes = new TextEncoder().encode(body).length;
    const keepalive = mayOutlive && bytes <= this.keepaliveLeft;
    const headers = { "Content-Type": "application/json" };
    if (keepalive) this.#keepaliveBytes += bytes;
    const answer = await this.#ask(path, { method: "POST", body, headers, keepalive }).catch(() => undefined);
    if (keepalive) this.#keepaliveBytes -= bytes;
    return answer;
  }

  /** @param {string} path @param {RequestInit} request @returns {Promise<Answer>} */
  async #ask(path, request) {
    const response = await this.#browser.fetch(this.#base + path, {
      ...request,
      credentials: "omit",
      headers: { Authorization: `Bearer ${this.#key}`, ...request.headers },
      signal: this.#browser.AbortSignal?.timeout?.(this.#timeoutMs),
    });
    const body = await response.json().catch(() => undefined);
    return { status: response.status, headers: response.headers, body };
  }
}
