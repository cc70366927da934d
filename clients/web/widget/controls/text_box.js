/** A box to write in: a correction, which starts from what the model answered, or a comment, which starts empty. */

import { button, el, icon } from "../drawing.js";
import { textPanel } from "./text_panel.js";

const LONGEST = { text_edit: 65_536, text: 10_000 };

/** @type {import("../../widget.js").DrawControl} */
export function textBox(question) {
  const { say, widget } = question;
  const kind = widget.start_from === "output" ? "text_edit" : "text";
  const field = widget.field ?? "text";
  const start = kind === "text_edit" ? question.text : "";
  let written = start;
  const opener = button(
    { part: "open", class: "quiet opener", "aria-expanded": "false", click: toggle },
    icon(kind === "text_edit" ? "pencil" : "comment"),
    say(`${kind}_open`),
  );
  const panel = textPanel({
    label: say(`${kind}_label`),
    send: say("send"),
    cancel: say("cancel"),
    longest: LONGEST[kind],
    fault: (text) => (!text ? say("empty") : text === start ? say("unchanged") : ""),
    onSend(text) {
      question.answer({ [field]: text });
      close();
    },
    onCancel: close,
  });

  function toggle() {
    if (opener.getAttribute("aria-disabled") === "true") return;
    if (!panel.element.hidden) return close();
    panel.open(written);
    opener.setAttribute("aria-expanded", "true");
    panel.area.focus();
  }

  function close() {
    written = panel.area.value || start; // what was typed is there when the box is opened again
    panel.close();
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
  }

  return {
    element: el("div", { class: "row" }, opener),
    panel: panel.element,
    show: (value) => opener.classList.toggle("chosen", value !== null),
    lock: (isLocked) => opener.setAttribute("aria-disabled", String(isLocked)),
    focus: () => opener.focus(),
  };
}
