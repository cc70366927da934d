/** Events that wait to be sent or acknowledged, in order and bounded; what does not fit is refused, not pushed out. */

/** @typedef {import("../feedback.js").FeedbackEvent & {feedback_id: string}} NamedEvent */
/** @typedef {import("../feedback.js").Outcome} Outcome */

/**
 * @typedef {object} Item one event and where it stands
 * @property {NamedEvent} event
 * @property {string} text its JSON, the same on every attempt
 * @property {number} bytes of the text in UTF-8
 * @property {number} at when it was queued, milliseconds since 1970
 * @property {boolean} isHeld waits for `release`
 * @property {boolean} isUnderWay a request with it has not been answered
 * @property {boolean} isAlone is sent by itself, because a batch with it was refused as a whole
 * @property {number} attempts
 * @property {Promise<Outcome>} promise
 * @property {(outcome: Outcome) => void} resolve
 */

export class Queue {
  /** @type {Map<string, Item>} */
  #items = new Map();
  #bytes = 0;
  #bounds;

  /** @param {{queueEvents: number, queueBytes: number}} bounds */
  constructor(bounds) {
    this.#bounds = bounds;
  }

  get size() {
    return this.#items.size;
  }

  /** @param {string} id */
  get(id) {
    return this.#items.get(id);
  }

  items() {
    return [...this.#items.values()];
  }

  /**
   * @param {NamedEvent} event
   * @param {string} text
   * @param {{isHeld: boolean, at: number}} state
   * @returns {Item | undefined} undefined when the queue is full
   */
  put(event, text, { isHeld, at }) {
    const bytes = new TextEncoder().encode(text).length;
    if (this.#bytes + bytes > this.#bounds.queueBytes || this.size >= this.#bounds.queueEvents) return undefined;
    this.#bytes += bytes;
    /** @type {(outcome: Outcome) => void} */
    let resolve = () => {};
    /** @type {Promise<Outcome>} */
    const promise = new Promise((settle) => (resolve = settle));
    const fresh = { isHeld, isUnderWay: false, isAlone: false, attempts: 0, promise, resolve };
    const item = { event, text, bytes, at, ...fresh };
    this.#items.set(event.feedback_id, item);
    return item;
  }

  /** @param {Item} item */
  remove(item) {
    if (this.#items.delete(item.event.feedback_id)) this.#bytes -= item.bytes;
  }

  /**
   * The next events to send in one request, oldest first.
   * @param {{events: number, bytes: number, mustFit?: boolean}} most an event larger than `bytes` goes by itself,
   *   unless it `mustFit`: then it stays
   * @returns {Item[]}
   */
  next({ events, bytes, mustFit = false }) {
    /** @type {Item[]} */
    const batch = [];
    let left = bytes;
    for (const item of this.#items.values()) {
      if (item.isHeld || item.isUnderWay) continue;
      const isFirst = batch.length === 0;
      if (item.bytes > left && (mustFit || !isFirst)) continue;
      if (item.isAlone && !isFirst) continue;
      batch.push(item);
      left -= item.bytes;
      if (item.isAlone || batch.length === events || left <= 0) break;
    }
    return batch;
  }
}
