/** A browser of the tests' own: a clock that moves when told, storage, a page that hides, a scripted API. */

/** The API that stores whatever it is sent, as the contract answers. */
export function storing() {
  let offset = 0;
  const seen = new Map();
  const receipt = (event) => {
    const status = seen.has(event.feedback_id) ? "duplicate" : "accepted";
    if (status === "accepted") seen.set(event.feedback_id, { offset: ++offset, event });
    return { feedback_id: event.feedback_id, status, offset: seen.get(event.feedback_id).offset };
  };
  const answer = (request) => {
    const sent = JSON.parse(request.body);
    if (!sent.events) return reply(201, receipt(sent));
    return reply(201, { results: sent.events.map((event, index) => ({ index, ...receipt(event) })) });
  };
  return Object.assign(answer, { seen });
}

export function reply(status, body, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, headers: new Headers(headers), json: async () => JSON.parse(text) };
}

export function problem(status, code, { retryable = false, errors = [], headers = {} } = {}) {
  return reply(status, { type: `/problems/${code}`, code, status, retryable, errors }, headers);
}

export class FakeStorage {
  entries = new Map();
  constructor(quota = Infinity) {
    this.quota = quota;
  }
  get length() {
    return this.entries.size;
  }
  key(i) {
    return [...this.entries.keys()][i] ?? null;
  }
  getItem(name) {
    return this.entries.get(name) ?? null;
  }
  setItem(name, text) {
    if (text.length > this.quota) throw new DOMException("full", "QuotaExceededError");
    this.entries.set(name, text);
  }
  removeItem(name) {
    this.entries.delete(name);
  }
  events() {
    return [...this.entries.keys()].filter((name) => name.includes(":event:"));
  }
}

class Page extends EventTarget {
  visibilityState = "visible";
}

export class FakeBrowser extends EventTarget {
  /** @param {{api?: (request: any) => any, storage?: any, nowMs?: number}} [options] `api` may throw: no network */
  constructor({ api = storing(), storage = new FakeStorage(), nowMs = 1_800_000_000_000 } = {}) {
    super();
    this.api = api;
    this.localStorage = storage;
    this.document = new Page();
    this.requests = [];
    this.complaints = [];
    this.timers = new Map();
    this.nowMs = nowMs;
    this.Date = { now: () => this.nowMs };
    this.Math = { random: () => 0.5 };
    this.console = {
      error: (...words) => this.complaints.push(words),
      warn: (...words) => this.complaints.push(words),
    };
  }

  fetch = async (url, request) => {
    this.requests.push({ url, ...request });
    return this.api({ url, ...request });
  };

  setTimeout = (work, ms) => this.#set(work, ms, 0);
  setInterval = (work, ms) => this.#set(work, ms, ms);
  queueMicrotask = (work) =>
    Promise.resolve()
      .then(work)
      .catch((error) => this.complaints.push([error.message]));
  clearTimeout = (id) => this.timers.delete(id);
  clearInterval = (id) => this.timers.delete(id);

  #set(work, ms, everyMs) {
    const id = Math.max(0, ...this.timers.keys()) + 1;
    this.timers.set(id, { work, at: this.nowMs + ms, everyMs });
    return id;
  }

  /** Moves the clock, runs what is due, and lets every promise settle. */
  async pass(ms) {
    const until = this.nowMs + ms;
    await settled();
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.nowMs = Math.max(this.nowMs, timer.at);
      if (timer.everyMs) timer.at += timer.everyMs;
      else this.timers.delete(id);
      timer.work();
      await settled();
    }
    this.nowMs = until;
    await settled();
  }

  hide() {
    this.document.visibilityState = "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  show() {
    this.document.visibilityState = "visible";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  sent(i) {
    return JSON.parse(this.requests[i].body);
  }
}

export async function settled() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function offline() {
  throw new TypeError("Failed to fetch");
}

/** An event with a comment of the given length. */
export function thumb(extra = {}) {
  return {
    inference_request_id: "req-1",
    model_version: "writer-12",
    feedback_type: "explicit_binary",
    feedback_value: { positive: true },
    ...extra,
  };
}

export const OPTIONS = { url: "https://api.test/", key: "fk_test_00112233aabbccdd_secretsecret" };
