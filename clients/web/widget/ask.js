/** One question and its answer: open, given and still to be undone, or settled; what draws it stands in controls/. */

import { newFeedbackId } from "../client/uuid7.js";
import { button, el } from "./drawing.js";

/** @typedef {import("../feedback.js").Outcome} Outcome */
/** @typedef {import("../widget.js").Value} Value */
/** @typedef {{feedback_id: string, value: Value, isHeld: boolean, isStored: boolean}} Given */

const WAITING_MS = 4_000;
const REMEMBERED = 1_000;
let made = 0;
/** What this page has answered: drawn again, a question shows it and is not asked twice. @type {Map<string, Value>} */
const answers = new Map();

export class Ask {
  #host;
  #type;
  /** @type {import("../widget.js").Control | undefined} */
  #control;
  #status = el("span", { role: "status", part: "status" });
  #undo;
  #said;
  /** @type {Given | undefined} */
  #given;
  #isLocked = false;
  #timer = 0;
  #waitingTimer = 0;
  /** @type {HTMLElement | undefined} */
  element;

  /**
   * @param {import("../widget.js").Host} host
   * @param {import("../feedback.js").FeedbackType} type
   * @param {import("../widget.js").DrawControl} draw
   */
  constructor(host, type, draw) {
    this.#host = host;
    this.#type = type;
    this.#undo = button({ class: "undo", part: "undo", hidden: true, click: () => this.#takeBack() }, host.say("undo"));
    this.#said = el("span", { class: "said" }, this.#status, this.#undo);
    this.#control = draw({
      ...host.shown,
      say: host.say,
      widget: type.widget,
      answer: (value, extra) => this.#answer(value, extra),
      comment: (text) => this.#comment(text),
      undo: () => this.#takeBack(),
    });
    if (!this.#control) return;
    this.element = this.#frame(this.#control);
    const known = answers.get(this.#name);
    this.#control.show(known ?? null);
    if (known) this.#lock(true);
  }

  /** The widget goes away or shows another answer: what was given is sent. */
  end() {
    clearTimeout(this.#timer);
    if (this.#given && !this.#isLocked) this.#settle();
    clearTimeout(this.#waitingTimer);
  }

  get #name() {
    return `${this.#host.inference} ${this.#type.name}`;
  }

  /** @param {import("../widget.js").Control} control */
  #frame(control) {
    const id = `question-${++made}`;
    const usual = this.#host.say(`${this.#type.widget.kind}_question`);
    const text = this.#host.question ?? usual;
    const label = text ? el("span", { id, class: "question", part: "question" }, text) : null;
    if (text || usual) control.element.setAttribute("role", control.role ?? "group");
    if (label) control.element.setAttribute("aria-labelledby", id);
    else if (usual) control.element.setAttribute("aria-label", usual);
    for (const name of ["mouseenter", "focus"]) this.#undo.addEventListener(name, () => this.#pause());
    for (const name of ["mouseleave", "blur"]) this.#undo.addEventListener(name, () => this.#wait());
    const head = el("div", { class: "head" }, label, control.element, this.#said);
    const isWide = control.isWide ? "ask wide" : "ask";
    return el("div", { class: isWide, part: `ask ask-${this.#type.widget.kind}` }, head, control.panel ?? null);
  }

  /** @param {Value} value @param {Record<string, unknown>} [extra] fields of the envelope */
  #answer(value, extra = {}) {
    if (this.#isLocked) return;
    const { client, undo } = this.#host;
    const before = this.#given;
    if (before && !client.cancel(before.feedback_id) && !this.#retract(before)) return this.#settle();
    const feedback_id = newFeedbackId();
    const given = { feedback_id, value, isHeld: undo === "hold", isStored: false };
    this.#given = given;
    this.#control?.show(value);
    const event = { ...this.#host.event(this.#type.name, value), ...extra, feedback_id };
    const outcome = client.send(event, { hold: given.isHeld });
    outcome.then((told) => this.#told(given, told));
    this.#tell("thanks");
    if (undo === "none") this.#settle();
    else this.#wait();
  }

  /** What was wrong: with the answer while that is held, else as a comment of its own. @param {string} text */
  #comment(text) {
    const given = this.#given;
    if (given?.isHeld && !this.#isLocked) return this.#answer({ ...given.value, comment: text });
    this.#tell("thanks");
    this.#host.client.send(this.#host.event("explicit_comment", { text })).then((outcome) => {
      if ("code" in outcome) this.#tell("refused");
      this.#announce(outcome.feedback_id, "explicit_comment", { text }, outcome);
    });
  }

  #takeBack() {
    const given = this.#given;
    if (this.#isLocked || !given) return;
    const isCancelled = this.#host.client.cancel(given.feedback_id);
    if (!isCancelled && !this.#retract(given)) return this.#settle(); // it has left, and nothing here can call it back
    if (isCancelled) this.#announceUndone(given);
    clearTimeout(this.#timer);
    this.#given = undefined;
    this.#hideUndo();
    this.#control?.show(null);
    this.#tell("undone");
  }

  /** Takes back what has left, where the key may. @param {Given} given @returns {boolean} whether it is tried */
  #retract(given) {
    if (this.#host.undo !== "retract") return false;
    const value = { retracts: given.feedback_id };
    this.#host.client.send(this.#host.event("retraction", value)).then((outcome) => {
      if (!("code" in outcome)) return this.#announceUndone(given);
      this.#tell("refused");
      this.#announce(outcome.feedback_id, "retraction", value, outcome);
    });
    return true;
  }

  /** @param {Given} given */
  #announceUndone({ feedback_id }) {
    this.#host.dispatch("feedback-undone", { feedback_id, feedback_type: this.#type.name });
  }

  /** @param {Given} given @param {Outcome} outcome */
  #told(given, outcome) {
    if (outcome.status === "cancelled") return;
    if (this.#given === given) {
      clearTimeout(this.#waitingTimer);
      given.isStored = !("code" in outcome);
      if (!given.isStored) this.#open();
      else if (given.isHeld) this.#settle();
      this.#tell(given.isStored ? "thanks" : "refused");
    }
    this.#announce(given.feedback_id, this.#type.name, given.value, outcome);
  }

  /**
   * @param {string} feedback_id
   * @param {string} feedback_type
   * @param {Value} feedback_value
   * @param {Outcome} outcome
   */
  #announce(feedback_id, feedback_type, feedback_value, outcome) {
    const name = "code" in outcome ? "feedback-refused" : "feedback-sent";
    this.#host.dispatch(name, { ...outcome, feedback_id, feedback_type, feedback_value });
  }

  #open() {
    clearTimeout(this.#timer);
    answers.delete(this.#name);
    this.#given = undefined;
    this.#hideUndo();
    this.#lock(false);
    this.#control?.show(null);
  }

  /** @param {boolean} isLocked */
  #lock(isLocked) {
    this.#isLocked = isLocked;
    this.#control?.lock(isLocked);
  }

  /** Offers to undo, for a while that starts again when the reader looks away. */
  #wait() {
    if (!this.#given || this.#isLocked) return;
    clearTimeout(this.#timer);
    this.#undo.hidden = false;
    this.#undo.style.setProperty("--_undo-s", `${this.#host.undoMs / 1000}s`);
    this.#timer = window.setTimeout(() => this.#settle(), this.#host.undoMs);
  }

  /** A reader who points at Undo, or has reached it by keyboard, gets the time to press it. */
  #pause() {
    clearTimeout(this.#timer);
  }

  /** The answer stands. */
  #settle() {
    clearTimeout(this.#timer);
    const given = this.#given;
    this.#lock(true);
    this.#hideUndo();
    if (!given) return;
    if (answers.size >= REMEMBERED) answers.delete(answers.keys().next().value ?? "");
    answers.set(this.#name, given.value);
    if (given.isHeld) this.#host.client.release(given.feedback_id);
    if (!given.isStored) this.#waitingTimer = window.setTimeout(() => this.#tell("waiting"), WAITING_MS);
  }

  #hideUndo() {
    const hadFocus = this.#undo.matches(":focus");
    this.#undo.hidden = true;
    if (hadFocus) this.#control?.focus();
  }

  /** @param {"thanks" | "undone" | "waiting" | "refused"} text */
  #tell(text) {
    this.#status.textContent = this.#host.say(text);
    this.#said.classList.toggle("bad", text === "refused");
  }
}
