// Showing an item: text as text, a conversation as one, anything else as JSON; never as markup.

import { h } from "/static/dashboard/dom.js";

/** What the model was asked. */
export function inputs(inference) {
  if (!inference) return h("p", { class: "empty" }, "The inference is not in the log yet; only its feedback is.");
  if (inference.inputs === undefined) return h("p", { class: "quiet" }, `Input kept at ${inference.inputs_ref ?? "no place"}`);
  return content(inference.inputs);
}

/** Any JSON value. */
export function content(value) {
  const turns = conversation(value);
  if (turns) return h("div", { class: "chat" }, turns.map(turn));
  if (typeof value === "string") return h("p", { class: "text" }, value);
  const text = only(value);
  if (text !== null) return h("p", { class: "text" }, text);
  return h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
}

/** The text of an output, or null where it is none. */
export function textOf(value) {
  return typeof value === "string" ? value : typeof value?.text === "string" ? value.text : null;
}

function only(value) {
  const names = value && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];
  return names.length === 1 && typeof value[names[0]] === "string" ? value[names[0]] : null;
}

function conversation(value) {
  const found = Array.isArray(value) ? value : value?.messages;
  const isOne = Array.isArray(found) && found.length > 0 && found.every((each) => typeof each?.role === "string");
  return isOne ? found : null;
}

function turn(message) {
  return h("div", { class: "turn" }, h("p", { class: "role" }, message.role), content(message.content ?? ""));
}
