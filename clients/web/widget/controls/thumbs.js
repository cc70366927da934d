/** Thumbs: good or bad, and, where the page wants to know, what was wrong. */

import { button, choices, el, icon } from "../drawing.js";
import { textPanel } from "./text_panel.js";

/** @type {import("../../widget.js").DrawControl} */
export function thumbs(question) {
  const { say, widget } = question;
  const field = widget.field ?? "positive";
  const up = button({ part: "thumb thumb-up", class: "icon good", click: () => choose(true) }, icon("up"));
  const down = button({ part: "thumb thumb-down", class: "icon bad", click: () => choose(false) }, icon("down"));
  name(up, say("thumbs_up"));
  name(down, say("thumbs_down"));
  const why = textPanel({
    label: say("why_label"),
    send: say("send"),
    cancel: say("cancel"),
    onSend: (text) => {
      why.close();
      question.comment(text);
    },
    onCancel: () => {
      why.close();
      down.focus();
    },
  });
  /** @type {boolean | undefined} */
  let chosen;

  /** @param {boolean} positive */
  function choose(positive) {
    if (chosen === positive) return question.undo();
    question.answer({ [field]: positive });
    if (chosen === false && question.asksWhy) why.open("");
  }

  return {
    element: el("div", { class: "row" }, up, down),
    panel: why.element,
    show(value) {
      chosen = value?.[field];
      choices.show([up, down], (each) => chosen === (each === up));
      if (chosen !== false) why.close();
    },
    lock: (isLocked) => choices.lock([up, down], isLocked),
    focus: () => (chosen === false ? down : up).focus(),
  };
}

/** @param {HTMLElement} element @param {string} text for screen readers and, on hover, for eyes */
function name(element, text) {
  element.setAttribute("aria-label", text);
  element.title = text;
}
