/**
 * Sends feedback from a web page: every event is stored by the server, or named as refused; none is lost in silence.
 *
 * What does not belong here: anything that draws. See widget.js for that.
 */

import { refusal, verdicts } from "./client/answers.js";
import { eventOf } from "./client/events.js";
import { Pace } from "./client/pace.js";
import { watchPage } from "./client/page.js";
import { Queue } from "./client/queue.js";
import { allowed, LEASE_MS, openSpool } from "./client/spool.js";
import { askForTypes, FeedbackUnavailable } from "./client/types.js";
import { madeAt, newFeedbackId } from "./client/uuid7.js";
import { KEEPALIVE_BYTES, Wire } from "./client/wire.js";

export { FeedbackUnavailable, newFeedbackId };

/** @typedef {import("./feedback.js").FeedbackEvent} FeedbackEvent */
/** @typedef {import("./feedback.js").Outcome} Outcome */
/** @typedef {import("./feedback.js").Refusal} Refusal */
/** @typedef {import("./client/queue.js").Item} Item */

const BATCH_EVENTS = 100;
/** The brackets and commas around the events of a batch. */
const BATCH_FRAME_BYTES = '{"events":[]}'.length + BATCH_EVENTS;
/** Chromium refuses more requests that outlive a page. */
const DEPARTING_REQUESTS = 8;

/** A browser does not say which of these it is. */
const UNREACHABLE = "feedback: no answer. No network, a wrong address, or a key that does not list this origin";

const DEFAULTS = {
  spool: /** @type {boolean | string} */ (true),
  queueEvents: 1_000,
  queueBytes: 1024 * 1024,
  spoolBytes: 1024 * 1024,
  timeoutMs: 10_000,
  giveUpAfterMs: 7 * 86_400_000,
};

export class FeedbackClient {
  #browser;
  #options;
  #queue;
  #spool;
  #wire;
  #endWatch;
  /** The sending that is going on. @type {Promise<void> | undefined} */
  #sending;
  #pace;
  #timer = 0;
  #isDeparting = false;
  /** @type {Promise<import("./feedback.js").FeedbackType[]> | undefined} */
  #types;

  /**
   * @param {import("./feedback.js").ClientOptions} options
   * @param {any} browser what a page's `window` is; another one in tests and demonstrations
   */
  constructor(options, browser = globalThis) {
    if (!options?.url || !options.key) throw new TypeError("FeedbackClient needs { url, key }");
    this.#browser = browser;
    this.#options = { ...DEFAULTS, ...options, url: String(options.url).replace(/\/+$/, "") };
    this.#queue = new Queue(this.#options);
    this.#pace = new Pace(browser);
    this.#wire = new Wire(browser, this.#options);
    this.#spool = openSpool(browser, { ...this.#options, tab: newFeedbackId() });
    const told = { depart: () => this.#depart(), arrive: () => this.#arrive(), beat: () => this.#beat() };
    this.#endWatch = watchPage(browser, told, LEASE_MS / 3);
    this.#adopt();
  }

  /** How many events wait to be sent or acknowledged. */
  get pending() {
    return this.#queue.size;
  }

  /**
   * Sends one event. The promise never rejects: it resolves when the server has stored the event, when it has refused
   * it (then `onRefused` is called too), or when it was cancelled.
   * @param {FeedbackEvent} event
   * @param {{hold?: boolean}} [options] `hold` waits for `release`, or for the page to be left
   * @returns {Promise<Outcome>}
   */
  send(event, { hold = false } = {}) {
    const whole = { ...this.#options.defaults, ...event };
    const feedback_id = (whole.feedback_id ??= newFeedbackId());
    const known = this.#queue.get(feedback_id);
    whole.occurred_at ??= known?.event.occurred_at ?? new Date(this.#browser.Date.now()).toISOString();
    const text = JSON.stringify(whole);
    if (known?.text === text) return known.promise;
    if (known) return this.#refuse(whole, feedback_id, "feedback-id-conflict");
    const item = this.#queue.put({ ...whole, feedback_id }, text, { isHeld: hold, at: this.#browser.Date.now() });
    if (!item) return this.#refuse(whole, feedback_id, "queue-full");
    this.#spool.put(feedback_id, text); // where there is no room, memory alone keeps it
    if (this.#isDeparting)
      this.#depart(); // an event about the leaving itself
    else this.#pump();
    return item.promise;
  }

  /** @param {Record<string, unknown>} fields `positive`, `comment`, …, and the envelope's */
  thumb(fields) {
    return this.send(eventOf("explicit_binary", fields));
  }

  /** @param {Record<string, unknown>} fields `score`, `scale_min`, `scale_max`, …, and the envelope's */
  rating(fields) {
    return this.send(eventOf("explicit_rating", fields));
  }

  /** @param {Record<string, unknown>} fields `corrected_text` or `corrected_label`, …, and the envelope's */
  correction(fields) {
    return this.send(eventOf("explicit_correction", fields));
  }

  /** @param {Record<string, unknown>} fields `preferred_output_id`, `rejected_output_id`, …, and the envelope's */
  preference(fields) {
    return this.send(eventOf("preference_pair", fields));
  }

  /** @param {Record<string, unknown>} fields `item_id`, `position`, …, and the envelope's */
  click(fields) {
    return this.send(eventOf("implicit_click", fields));
  }

  /** @param {Record<string, unknown>} fields `retracts`, `reason`, and the envelope's */
  retract(fields) {
    return this.send(eventOf("retraction", fields));
  }

  /** Lets a held event go. @param {string} feedback_id */
  release(feedback_id) {
    const item = this.#queue.get(feedback_id);
    if (item) item.isHeld = false;
    this.#pump();
  }

  /**
   * Takes an event back before it is sent.
   * @param {string} feedback_id
   * @returns {boolean} false when it may have left already: then only `retract` undoes it
   */
  cancel(feedback_id) {
    const item = this.#queue.get(feedback_id);
    if (!item || item.attempts > 0) return false;
    this.#settle(item, { status: "cancelled", feedback_id });
    return true;
  }

  /** Sends all that waits, held events too, whatever the backoff; resolves to how many are still unsent. */
  async flush() {
    for (const item of this.#queue.items()) item.isHeld = false;
    this.#pace.reset();
    await this.#pump();
    return this.pending;
  }

  /** Stops; what is unsent stays in the spool for the next page. */
  close() {
    this.#depart();
    this.#endWatch();
    this.#browser.clearTimeout(this.#timer);
  }

  /** What `GET /v1/feedback-types` says, asked for once; rejects with FeedbackUnavailable. */
  feedbackTypes() {
    this.#types ??= askForTypes(this.#wire).catch((error) => {
      this.#types = undefined; // the next call asks again
      throw error;
    });
    return this.#types;
  }

  /** The page may be gone in a moment: what fits leaves now, held or not; the rest is spooled for the next page. */
  #depart() {
    this.#isDeparting = true;
    this.#spool.release();
    for (const item of this.#queue.items()) item.isHeld = false;
    for (let requests = 0; requests < DEPARTING_REQUESTS; requests++) {
      const bytes = this.#wire.keepaliveLeft - BATCH_FRAME_BYTES;
      const batch = this.#queue.next({ events: BATCH_EVENTS, bytes, mustFit: true });
      if (!batch.length) return;
      this.#post(batch);
    }
  }

  /** The page is seen again, or the network is back. */
  #arrive() {
    this.#isDeparting = false;
    this.#pace.hurry();
    this.#beat();
  }

  #beat() {
    if (this.#isDeparting) return;
    if (this.#queue.size) this.#spool.renew();
    this.#adopt();
  }

  /** Takes over what pages that are gone have left. */
  #adopt() {
    for (const { id, text } of this.#spool.adopt()) {
      const event = allowed(() => JSON.parse(text));
      const isWhole = event?.feedback_id === id;
      if (isWhole && this.#queue.put(event, text, { isHeld: false, at: madeAt(id) ?? this.#browser.Date.now() }))
        continue;
      this.#spool.remove(id);
      this.#refuse(event ?? {}, id, isWhole ? "queue-full" : "spool-damaged");
    }
    this.#pump();
  }

  /** Sends what is ready, one request after another, until none is left or one fails. @returns {Promise<void>} */
  #pump() {
    if (this.#sending) return this.#sending;
    const batch = this.#ready();
    if (!batch.length) return Promise.resolve();
    this.#sending = this.#sendFrom(batch);
    return this.#sending;
  }

  /** @param {Item[]} batch */
  async #sendFrom(batch) {
    try {
      while (batch.length) {
        await this.#post(batch);
        batch = this.#ready();
      }
    } finally {
      this.#sending = undefined;
    }
  }

  #ready() {
    if (this.#isDeparting || !this.#queue.size) return [];
    const { waitMs } = this.#pace;
    if (!waitMs) return this.#queue.next({ events: BATCH_EVENTS, bytes: KEEPALIVE_BYTES - BATCH_FRAME_BYTES });
    this.#browser.clearTimeout(this.#timer);
    this.#timer = this.#browser.setTimeout(() => this.#pump(), waitMs);
    return [];
  }

  /** @param {Item[]} batch */
  async #post(batch) {
    // Other code of the page may have used up the keepalive budget, and the request failed for that: so go without.
    const mayOutlive = this.#isDeparting || batch.every((item) => item.attempts === 0);
    for (const item of batch) {
      item.isUnderWay = true;
      item.attempts += 1;
    }
    const isOne = batch.length === 1;
    const body = isOne ? batch[0].text : `{"events":[${batch.map((item) => item.text).join(",")}]}`;
    const path = isOne ? "/v1/feedback" : "/v1/feedback/batch";
    this.#judge(batch, await this.#wire.post(path, body, { mayOutlive }));
  }

  /** @param {Item[]} batch @param {import("./client/wire.js").Answer | undefined} answer */
  #judge(batch, answer) {
    const ids = batch.map((item) => item.event.feedback_id);
    const { outcomes, retryAfterMs } = verdicts(answer, ids, this.#browser.Date.now());
    // A batch refused as a whole: one bad neighbour must not take the others with it. A bad key refuses them all.
    const isSplit = batch.length > 1 && answer && answer.status >= 400 && answer.status !== 401;
    batch.forEach((item, i) => {
      const outcome = outcomes[i];
      item.isUnderWay = false;
      if (outcome && isSplit) item.isAlone = true;
      else if (outcome) this.#settle(item, outcome);
      else if (this.#browser.Date.now() - item.at > this.#options.giveUpAfterMs)
        this.#settle(item, refusal(ids[i], "gave-up"));
    });
    if (!outcomes.includes(null)) this.#pace.succeeded();
    else if (this.#pace.failed(retryAfterMs) && !answer) this.#browser.console.warn(UNREACHABLE);
  }

  /** @param {Item} item @param {Outcome} outcome */
  #settle(item, outcome) {
    this.#queue.remove(item);
    this.#spool.remove(item.event.feedback_id);
    if (outcome.status === "refused" || outcome.status === "conflict") this.#tell(item.event, outcome);
    item.resolve(outcome);
  }

  /** @param {FeedbackEvent} event @param {string} feedback_id @param {string} code @returns {Promise<Outcome>} */
  async #refuse(event, feedback_id, code) {
    const refused = refusal(feedback_id, code);
    this.#tell(event, refused);
    return refused;
  }

  /** @param {FeedbackEvent} event @param {Refusal} refused */
  #tell(event, refused) {
    const { onRefused } = this.#options;
    // In a microtask of its own: what the page's function throws is the page's error, and does not stop the queue.
    if (onRefused) this.#browser.queueMicrotask(() => onRefused(refused, event));
    else this.#browser.console.error(`feedback ${refused.feedback_id} was refused: ${refused.code}`, refused.errors);
  }
}
