/** An API inside the page, so that the demonstration needs no server: it stores nothing and answers by the contract. */

/** What `GET /v1/feedback-types` says of the types that the page shows. */
export const TYPES = [
  { name: "explicit_binary", version: "1.0", widget: { kind: "thumbs", field: "positive" } },
  { name: "explicit_comment", version: "1.0", widget: { kind: "text", field: "text" } },
  {
    name: "explicit_correction",
    version: "1.0",
    widget: { kind: "text_edit", field: "corrected_text", start_from: "output" },
  },
  { name: "explicit_label", version: "1.0", widget: { kind: "choice", field: "label", options_from: "outputs" } },
  { name: "explicit_rating", version: "1.1", widget: { kind: "stars", field: "score", min: 1, max: 5 } },
  {
    name: "preference_pair",
    version: "1.0",
    widget: { kind: "pair", field: "preferred_output_id", options_from: "outputs" },
  },
];

/** @returns {any} this page's window with another network, and a switch to cut it */
export function standIn() {
  const seen = new Set();
  const network = { isCut: false };

  /** @param {any} event */
  function receipt(event) {
    const status = seen.has(event.feedback_id) ? "duplicate" : "accepted";
    seen.add(event.feedback_id);
    return { feedback_id: event.feedback_id, status, offset: seen.size, received_at: new Date().toISOString() };
  }

  /** @param {string} url @param {RequestInit} request */
  async function fetch(url, request) {
    if (url.endsWith("/v1/feedback-types")) return Response.json({ feedback_types: TYPES });
    if (network.isCut) throw new TypeError("the network is cut");
    const sent = JSON.parse(String(request.body));
    const results = (sent.events ?? [sent]).map((/** @type {any} */ event, /** @type {number} */ index) => ({
      index,
      ...receipt(event),
    }));
    return Response.json(sent.events ? { results } : results[0], { status: 201 });
  }

  const browser = new Proxy(window, {
    get(target, name) {
      if (name === "fetch") return fetch;
      const value = Reflect.get(target, name);
      return typeof value === "function" && !value.prototype ? value.bind(target) : value;
    },
  });
  return { browser, network };
}
