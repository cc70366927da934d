// Showing an item: text as text, a conversation as one, pictures as such, anything else as JSON; never as markup.

import { h } from "/static/dashboard/dom.js";
import { picture } from "/static/review/pictures.js";

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
  const shown = picture(value);
  if (shown) return shown;
  if (typeof value === "string") return h("p", { class: "text" }, value);
  if (isParts(value)) return h("div", {}, value.map((part) => content(part.text ?? part.image_url.url)));
  return pictured(value) ?? plain(value);
}

/** The text of an output, or null where it is none. */
export function textOf(value) {
  return typeof value === "string" ? value : typeof value?.text === "string" ? value.text : null;
}

/** An object that holds pictures: these with their names, and the rest of it. */
function pictured(value) {
  if (!isObject(value)) return null;
  const found = Object.entries(value).map(([name, one]) => [name, picture(one, name)]);
  const pictures = found.filter(([, shown]) => shown);
  if (pictures.length === 0) return null;
  const rest = Object.fromEntries(found.filter(([, shown]) => !shown).map(([name]) => [name, value[name]]));
  return h(
    "div",
    {},
    pictures.map(([name, shown]) => h("figure", {}, shown, h("figcaption", { class: "quiet" }, name))),
    Object.keys(rest).length ? plain(rest) : null,
  );
}

function plain(value) {
  const [only, ...more] = isObject(value) ? Object.values(value) : [null];
  if (more.length === 0 && ["string", "number", "boolean"].includes(typeof only)) return h("p", { class: "text" }, String(only));
  return h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
}

/** The parts of one message: texts and pictures. */
function isParts(value) {
  const isPart = (part) => typeof part?.text === "string" || typeof part?.image_url?.url === "string";
  return Array.isArray(value) && value.length > 0 && value.every(isPart);
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function conversation(value) {
  const found = Array.isArray(value) ? value : value?.messages;
  const isOne = Array.isArray(found) && found.length > 0 && found.every((each) => typeof each?.role === "string");
  return isOne ? found : null;
}

function turn(message) {
  return h("div", { class: "turn" }, h("p", { class: "role" }, message.role), content(message.content ?? ""));
}
