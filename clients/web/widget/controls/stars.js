/** Stars: a score from `min` to `max`; a long scale is drawn as numbers. */

import { button, choices, el, icon } from "../drawing.js";

const MOST_STARS = 7;

/** @type {import("../../widget.js").DrawControl} */
export function stars(question) {
  const { say, widget } = question;
  const { field = "score", min = 1, max = 5 } = widget;
  const scores = Array.from({ length: max - min + 1 }, (_, i) => min + i);
  const isLong = scores.length > MOST_STARS;
  const buttons = scores.map((n) => {
    const text = say("stars_star", { n, max });
    const props = { role: "radio", "aria-label": text, title: text, click: () => choose(n) };
    return isLong
      ? button({ ...props, class: "chip", part: "score" }, String(n))
      : button({ ...props, class: "icon star", part: "star" }, icon("star"));
  });
  /** @type {number | undefined} */
  let chosen;

  /** @param {number} n */
  function choose(n) {
    if (chosen === n) question.undo();
    else question.answer({ [field]: n });
  }

  /** One star is in the tab order; arrows move on. @param {number} i */
  function stand(i) {
    buttons.forEach((each, place) => (each.tabIndex = place === i ? 0 : -1));
    return buttons[i];
  }

  /** @param {KeyboardEvent} event */
  function move(event) {
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const isRtl = getComputedStyle(buttons[0]).direction === "rtl";
    const forward = isRtl ? "ArrowLeft" : "ArrowRight";
    const back = isRtl ? "ArrowRight" : "ArrowLeft";
    const last = buttons.length - 1;
    const steps = { [forward]: at + 1, ArrowUp: at + 1, [back]: at - 1, ArrowDown: at - 1, Home: 0, End: last };
    const to = steps[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    stand((to + buttons.length) % buttons.length).focus();
  }

  stand(0);
  return {
    element: el("div", { class: isLong ? "row chips" : "row stars", keydown: move }, ...buttons),
    role: "radiogroup",
    show(value) {
      chosen = value?.[field];
      const at = scores.indexOf(chosen ?? NaN);
      choices.show(buttons, (each) => buttons[at] === each, "aria-checked");
      buttons.forEach((each, i) => each.classList.toggle("on", i <= at && !isLong));
      stand(Math.max(at, 0));
    },
    lock: (isLocked) => choices.lock(buttons, isLocked),
    focus: () => buttons.find((each) => each.tabIndex === 0)?.focus(),
  };
}
