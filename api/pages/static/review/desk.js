// The desk: the item in front, the next ones under it, and the last answer, which is held back for a while to be undone.

import { ask, Problem } from "/static/review/api.js";

const AHEAD = 2;
const HELD_MS = 6000;
const AGAIN_MS = 3000;

export class Desk {
  /** `changed` is called when what is in front changes, `told` with (words, isBad) when there is something to say. */
  constructor(queueId, changed, told) {
    this.queueId = queueId;
    this.changed = changed;
    this.told = told;
    this.ready = [];
    this.held = null;
    this.sending = new Set();
    this.done = 0;
    this.reason = null;
    this.isClosed = false;
    this.filling = null;
  }

  get current() {
    return this.ready[0] ?? null;
  }

  /** Claims until enough lies ready; one claim at a time. */
  fill() {
    this.filling ??= this.#fill().finally(() => {
      this.filling = null;
    });
    return this.filling;
  }

  /** Puts the item in front away as `what` (submit, skip or escalate); it is sent with the next one, or in a while. */
  put(what, body = {}) {
    const task = this.ready.shift();
    if (!task) return;
    this.flush();
    this.held = { task, what, body, timer: setTimeout(() => this.flush(), HELD_MS) };
    this.changed();
    this.fill();
  }

  /** Takes the last answer back, as long as it is held; whether there was one. */
  undo() {
    if (!this.held) return false;
    clearTimeout(this.held.timer);
    this.ready.unshift(this.held.task);
    this.held = null;
    this.changed();
    return true;
  }

  /** Sends what is held. */
  flush() {
    if (!this.held) return Promise.resolve();
    const { task, what, body, timer } = this.held;
    clearTimeout(timer);
    this.held = null;
    return this.#send(task, what, body);
  }

  /** Sends what is held and gives back what was not judged. */
  close() {
    this.isClosed = true;
    this.flush();
    for (const task of this.ready.splice(0)) this.#send(task, "release", {});
  }

  async #send(task, what, body) {
    this.sending.add(task);
    try {
      await ask("POST", `/v1/review/tasks/${task.task_id}/${what}`, { lease_id: task.lease_id, ...body });
      if (what === "submit") this.done += 1;
      this.sending.delete(task);
    } catch (error) {
      if (this.isClosed) return;
      const isFinal = error instanceof Problem && error.status < 500;
      if (isFinal) this.sending.delete(task);
      if (isFinal && error.status === 409) {
        this.told("That took too long: the last item went to somebody else, and your answer does not count.", true);
      } else if (isFinal) {
        this.told(`The last answer was refused: ${error.message}`, true);
        this.ready.unshift(task);
      } else {
        this.told("The last answer could not be sent yet; it is tried again.", true);
        setTimeout(() => this.#send(task, what, body), AGAIN_MS);
      }
    }
    this.changed();
  }

  async #fill() {
    while (!this.isClosed && this.ready.length <= AHEAD) {
      const hand = [...this.ready, ...this.sending, ...(this.held ? [this.held.task] : [])].map((task) => task.task_id);
      let told;
      try {
        told = await ask("POST", `/v1/review/queues/${this.queueId}/claim`, { at_hand: hand });
      } catch (error) {
        this.#failed(error);
        return;
      }
      this.reason = told.task ? null : told.reason;
      if (!told.task) {
        if (this.ready.length === 0) await this.#wait();
        return;
      }
      this.ready.push(told.task);
      if (this.ready.length === 1) this.changed();
    }
  }

  async #wait() {
    this.changed();
    if (this.reason === "too-many-leases") await this.flush();
    setTimeout(() => this.isClosed || this.fill(), this.reason === "too-many-leases" ? 0 : AGAIN_MS);
  }

  #failed(error) {
    if (this.isClosed) return;
    if (error instanceof Problem && error.status < 500) {
      this.reason = error.status === 401 ? "ended" : "refused";
      this.changed();
      return;
    }
    this.told("The server does not answer; trying again.", true);
    setTimeout(() => this.isClosed || this.fill(), AGAIN_MS);
  }
}
