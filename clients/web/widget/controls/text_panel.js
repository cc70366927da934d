/** A box to write in, with Send and Cancel; it is no control of its own. */

import { button, el } from "../drawing.js";

const LONGEST = 10_000;
let made = 0;

/**
 * @param {object} options
 * @param {string} options.label
 * @param {string} options.send
 * @param {string} options.cancel
 * @param {number} [options.longest] characters
 * @param {(text: string) => string} [options.fault] what to say instead of sending, or nothing
 * @param {(text: string) => void} options.onSend
 * @param {() => void} options.onCancel
 */
export function textPanel({ label, send, cancel, longest = LONGEST, fault = () => "", onSend, onCancel }) {
  const id = `panel-${++made}`;
  const area = el("textarea", { id, part: "textarea", rows: 2, maxlength: longest, "aria-describedby": `${id}-fault` });
  const complaint = el("p", { id: `${id}-fault`, class: "fault", part: "fault", role: "alert" });
  const submit = () => {
    complaint.textContent = area.value.trim() ? fault(area.value) : fault("");
    area.setAttribute("aria-invalid", String(complaint.textContent !== ""));
    if (complaint.textContent) area.focus();
    else if (area.value.trim()) onSend(area.value);
    else onCancel();
  };
  const element = el(
    "div",
    {
      class: "panel",
      part: "panel",
      hidden: true,
      keydown: (/** @type {KeyboardEvent} */ event) => {
        event.stopPropagation(); // a page's own shortcuts see the widget, not the box in it, and would take the letters
        if (event.key === "Escape") onCancel();
        else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
      },
    },
    el("label", { for: id }, label),
    area,
    complaint,
    el(
      "div",
      { class: "row end" },
      button({ part: "cancel", class: "quiet", click: onCancel }, cancel),
      button({ part: "send", class: "primary", click: submit }, send),
    ),
  );
  return {
    element,
    area,
    /** @param {string} text what to start from */
    open(text) {
      area.value = text;
      complaint.textContent = "";
      area.removeAttribute("aria-invalid");
      element.hidden = false;
    },
    close() {
      element.hidden = true;
    },
  };
}
