/** One of several labels: those the page names, or those the outputs say. */

import { button, choices, el } from "../drawing.js";

/** @type {import("../../widget.js").DrawControl} */
export function choice(question) {
  const field = question.widget.field ?? "label";
  const labels = [...new Set(question.labels ?? question.outputs.map(({ content }) => labelOf(content)))].filter(
    isLabel,
  );
  if (labels.length < 2) return undefined;
  const buttons = labels.map((label) =>
    button({ part: "label", class: "chip", click: () => choose(label) }, String(label)),
  );
  /** @type {unknown} */
  let chosen;

  /** @param {unknown} label */
  function choose(label) {
    if (chosen === label) question.undo();
    else question.answer({ [field]: label });
  }

  return {
    element: el("div", { class: "row chips" }, ...buttons),
    show(value) {
      chosen = value?.[field];
      choices.show(buttons, (each) => labels[buttons.indexOf(/** @type {HTMLButtonElement} */ (each))] === chosen);
    },
    lock: (isLocked) => choices.lock(buttons, isLocked),
    focus: () => (buttons[labels.indexOf(chosen)] ?? buttons[0]).focus(),
  };
}

/** What a classifier answered. @param {any} content */
function labelOf(content) {
  return isLabel(content) ? content : content?.label;
}

/** @param {unknown} value */
function isLabel(value) {
  return (typeof value === "string" && value.trim() !== "") || Number.isInteger(value) || typeof value === "boolean";
}
