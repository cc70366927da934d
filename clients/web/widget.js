/** `<feedback-widget>`: asks a person what they think of an answer, and sends it. */

import { FeedbackClient } from "./feedback.js";
import { Pace } from "./client/pace.js";
import { Ask } from "./widget/ask.js";
import { CONTROLS } from "./widget/controls/index.js";
import { textOf } from "./widget/controls/pair.js";
import { el } from "./widget/drawing.js";
import { styleSheet } from "./widget/style.js";
import { speaker } from "./widget/texts.js";

export { FeedbackClient };

/** @typedef {import("./feedback.js").FeedbackType} FeedbackType */

const UNDO_S = 6;
const PROPERTIES = ["client", "outputs", "labels", "texts", "text", "fields"];
/** Widgets of one page with the same address and key share a client. @type {Map<string, FeedbackClient>} */
const shared = new Map();

/** Without a DOM (a server that renders pages) the module can be imported, and defines nothing. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class FeedbackWidget extends Base {
  static observedAttributes = [
    "api-url",
    "api-key",
    "inference-request-id",
    "model-version",
    "model-name",
    "types",
    "type",
    "text",
    "outputs",
    "labels",
    "texts",
    "question",
    "undo",
    "undo-seconds",
    "ask-why",
    "shuffle",
    "lang",
  ];

  /** How each kind of widget is drawn; a page may add kinds. */
  static controls = CONTROLS;

  /**
   * Texts by language: `FeedbackWidget.languages.de = { thanks: "Danke." }`.
   * @type {Record<string, Record<string, string>>}
   */
  static languages = {};

  /** The client of every widget that has none of its own. @type {FeedbackClient | undefined} */
  static client;

  #body;
  /** @type {Ask[]} */
  #asks = [];
  #isStale = false;
  #drawing = 0;
  /** @type {Record<string, any>} */
  #given = {};
  #pace;
  #retry = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    this.#body = el("div", { class: "asks", part: "asks" });
    root.append(this.#body);
    this.#pace = new Pace(globalThis);
  }

  connectedCallback() {
    for (const name of PROPERTIES) this.#upgrade(name);
    if (!this.#asks.length) this.#change();
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (!this.isConnected) this.#end(); // else it has only been moved
    });
  }

  /** @param {string} _name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.#change();
  }

  /** The client that sends; by default one for the `api-url` and `api-key`. @returns {FeedbackClient | undefined} */
  get client() {
    const own = this.#given.client ?? FeedbackWidget.client;
    return own ?? clientFor(this.getAttribute("api-url"), this.getAttribute("api-key"));
  }
  set client(client) {
    this.#give("client", client);
  }

  /** What was answered: `[{output_id, content, name?}]`. @returns {any[]} */
  get outputs() {
    return this.#given.outputs ?? this.#json("outputs") ?? [];
  }
  set outputs(outputs) {
    this.#give("outputs", outputs);
  }

  /** The labels to choose from. @returns {unknown[] | undefined} */
  get labels() {
    return this.#given.labels ?? this.#json("labels");
  }
  set labels(labels) {
    this.#give("labels", labels);
  }

  /** Words of this widget's own, by name. @returns {Record<string, string> | undefined} */
  get texts() {
    return this.#given.texts ?? this.#json("texts");
  }
  set texts(texts) {
    this.#give("texts", texts);
  }

  /** What the model answered, where a correction starts. @returns {string} */
  get text() {
    return this.#given.text ?? this.getAttribute("text") ?? textOf(this.outputs[0]?.content);
  }
  set text(text) {
    this.#give("text", text);
  }

  /** More fields of every event: `target`, `user_context`, `episode_id`, … @returns {Record<string, unknown>} */
  get fields() {
    return this.#given.fields ?? {};
  }
  set fields(fields) {
    this.#given.fields = fields;
  }

  /** @param {string} name @param {unknown} value */
  #give(name, value) {
    this.#given[name] = value;
    this.#change();
  }

  /** A property that was set before this element was defined hides the accessor: set it again. @param {string} name */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const own = /** @type {any} */ (this);
    const value = own[name];
    delete own[name];
    own[name] = value;
  }

  /** @param {string} name of an attribute that holds JSON @returns {any} */
  #json(name) {
    const text = this.getAttribute(name);
    if (!text) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      console.warn(`feedback-widget: the attribute ${name} is not JSON`, this);
      return undefined;
    }
  }

  /** Draws once, however many attributes have changed. */
  #change() {
    if (this.#isStale || !this.isConnected) return;
    this.#isStale = true;
    queueMicrotask(() => {
      this.#isStale = false;
      if (this.isConnected) this.#draw();
    });
  }

  async #draw() {
    const drawing = ++this.#drawing;
    const { client } = this;
    this.#end();
    if (!client || !this.getAttribute("inference-request-id") || !this.getAttribute("model-version")) return;
    const types = await client.feedbackTypes().catch((error) => this.#retryLater(error));
    if (!types || drawing !== this.#drawing || !this.isConnected) return;
    this.#pace.succeeded();
    const host = this.#host(client);
    const names = (this.getAttribute("types") ?? this.getAttribute("type") ?? "explicit_binary").split(/[\s,]+/);
    this.#asks = names.filter(Boolean).flatMap((name) => this.#ask(host, types, name));
    this.#body.replaceChildren(...this.#asks.flatMap((ask) => ask.element ?? []));
  }

  /** @param {import("./widget.js").Host} host @param {FeedbackType[]} types @param {string} name */
  #ask(host, types, name) {
    const type = types.find((each) => each.name === name);
    const draw = type && FeedbackWidget.controls.get(type.widget?.kind);
    const ask = type && draw && new Ask(host, type, draw);
    if (ask?.element) return [ask];
    const missing = draw ? "its outputs or labels are missing" : "no control draws it";
    const reason = type ? missing : "the API has no such type";
    console.warn(`feedback-widget: ${name} is not shown: ${reason}`, this);
    return [];
  }

  /** @param {FeedbackClient} client @returns {import("./widget.js").Host} */
  #host(client) {
    const attribute = (/** @type {string} */ name) => this.getAttribute(name) ?? undefined;
    const inference = {
      inference_request_id: attribute("inference-request-id") ?? "",
      model_version: attribute("model-version") ?? "",
      ...(attribute("model-name") ? { model_name: attribute("model-name") } : {}),
    };
    const undo = attribute("undo");
    const undoS = Number(attribute("undo-seconds") ?? UNDO_S);
    return {
      client,
      inference: inference.inference_request_id,
      say: speaker(this, FeedbackWidget.languages, this.texts),
      question: attribute("question"),
      shown: {
        outputs: this.outputs,
        labels: this.labels,
        text: this.text,
        asksWhy: this.hasAttribute("ask-why"),
        isShuffled: this.hasAttribute("shuffle"),
      },
      undo: undo === "retract" || undo === "none" ? undo : "hold",
      undoMs: 1000 * (undoS > 0 ? Math.min(undoS, 60) : UNDO_S),
      event: (feedback_type, feedback_value) => ({ ...this.fields, ...inference, feedback_type, feedback_value }),
      dispatch: (name, detail) => this.#dispatch(name, detail),
    };
  }

  /** @param {{code?: string}} error */
  #retryLater(error) {
    this.#dispatch("feedback-unavailable", { code: error.code });
    this.#pace.failed(0);
    this.#retry = window.setTimeout(() => this.#change(), this.#pace.waitMs);
  }

  /**
   * Tells the page, also when the widget has been taken out of it meanwhile.
   * @param {string} name
   * @param {object} detail
   */
  #dispatch(name, detail) {
    const target = this.isConnected ? this : document;
    target.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #end() {
    clearTimeout(this.#retry);
    for (const ask of this.#asks) ask.end();
    this.#asks = [];
    this.#body.replaceChildren();
  }
}

/** @param {string | null} url @param {string | null} key */
function clientFor(url, key) {
  if (!url || !key) return undefined;
  const name = `${url} ${key}`;
  const client = shared.get(name) ?? new FeedbackClient({ url, key });
  shared.set(name, client);
  return client;
}

if (globalThis.customElements && !customElements.get("feedback-widget")) {
  customElements.define("feedback-widget", FeedbackWidget);
}
