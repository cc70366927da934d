/** Two answers side by side: one is better, or neither is. */

import { button, choices, el, icon } from "../drawing.js";

/** @type {import("../../widget.js").DrawControl} */
export function pair(question) {
  const { say, widget } = question;
  const field = widget.field ?? "preferred_output_id";
  const outputs = question.outputs.slice(0, 2);
  if (outputs.length < 2) return undefined;
  if (question.isShuffled && Math.random() < 0.5) outputs.reverse();
  const shown = outputs.map(({ output_id }) => output_id);
  const choose = outputs.map((output, i) => {
    const name = output.name ?? say("pair_name", { letter: "AB"[i] });
    const props = {
      part: "choose",
      class: "choose",
      click: () => give({ [field]: shown[i], rejected_output_id: shown[1 - i] }),
    };
    return { name, text: textOf(output.content), button: button(props, icon("check"), say("pair_choose", { name })) };
  });
  const tie = button(
    { part: "tie", class: "chip", click: () => give({ [field]: shown[0], rejected_output_id: shown[1], tie: true }) },
    say("pair_tie"),
  );
  const buttons = [...choose.map((each) => each.button), tie];
  /** @type {Record<string, any> | null} */
  let chosen = null;

  /** @param {Record<string, any>} value */
  function give(value) {
    const isAgain = chosen && chosen[field] === value[field] && chosen.tie === value.tie;
    if (isAgain) question.undo();
    else question.answer(value, { metadata: { shown } }); // what stood first: people favour it
  }

  const cards = choose.map(({ name, text, button: choice }, i) =>
    el(
      "div",
      { class: "card", part: `card card-${"ab"[i]}` },
      text === "" ? null : el("div", { class: "name", part: "name" }, name),
      text === "" ? null : el("div", { class: "content", part: "content" }, text),
      choice,
    ),
  );
  return {
    element: el("div", { class: "pair" }, el("div", { class: "cards" }, ...cards), el("div", { class: "row" }, tie)),
    isWide: true,
    show(value) {
      chosen = value;
      const at = value === null ? null : value.tie ? tie : buttons[shown.indexOf(value[field])];
      choices.show(buttons, (each) => each === at);
      cards.forEach((card, i) => card.classList.toggle("chosen", buttons[i] === at));
    },
    lock: (isLocked) => choices.lock(buttons, isLocked),
    focus: () => (buttons.find((each) => each.getAttribute("aria-pressed") === "true") ?? buttons[0]).focus(),
  };
}

/** An output's text, as the contract has it. @param {any} content */
export function textOf(content) {
  const text = content?.text ?? content?.label ?? content ?? "";
  return typeof text === "object" ? JSON.stringify(text, null, 2) : String(text);
}
