// How an answer is given, by the widget of what is asked: one of some choices, one of two outputs, or a better text.

import { h } from "/static/dashboard/dom.js";
import { differences } from "/static/review/differences.js";
import { content, textOf } from "/static/review/items.js";

const WIDGETS = { choice, pair, text_edit: textEdit };

/** The elements, and under `keys` what each key does; `answer` is called with the value. */
export function answers(task, answer) {
  const outputs = task.item.inference?.outputs ?? [];
  return WIDGETS[task.asked.widget.kind](task, outputs, answer);
}

function choice({ asked, task_id: name }, outputs, answer) {
  const said = outputs.map((output) => output.content?.label ?? output.content).filter((label) => !isObject(label));
  const options = asked.options ?? [...new Set(said)];
  const labels = options.map((label) => ({ words: String(label), value: { label } }));
  const shown = [outputs.length ? given(outputs) : null, buttons(labels, answer)];
  if (asked.options) return { shown, keys: numbered(labels, answer) };
  const other = h("input", { id: `other-${name}`, maxlength: "1000", autocomplete: "off" });
  const send = (event) => {
    event.preventDefault();
    if (other.value.trim()) answer({ label: other.value.trim() });
  };
  shown.push(h("form", { submit: send }, h("label", { for: other.id }, "Another label"), other, h("button", {}, "Submit")));
  return { shown, keys: numbered(labels, answer) };
}

function pair(task, outputs, answer) {
  const choices = outputs.map((output) => ({
    words: `${output.output_id} is better`,
    value: { preferred_output_id: output.output_id, ...rejected(outputs, output) },
  }));
  const tie = { words: "Neither is better", value: { preferred_output_id: outputs[0]?.output_id, tie: true }, key: "t" };
  const sides = outputs.map((output) =>
    h("section", { class: "side", "aria-label": `Output ${output.output_id}` }, h("h3", {}, output.output_id), content(output.content)),
  );
  const keys = numbered(choices, answer);
  keys.t = () => answer(tie.value);
  return { shown: [h("div", { class: "sides" }, sides), buttons([...choices, tie], answer)], keys };
}

function textEdit({ task_id: name }, outputs, answer) {
  const before = textOf(outputs[0]?.content) ?? "";
  const changes = h("p", { id: `changes-${name}`, class: "text changes", "aria-live": "off" });
  const area = h("textarea", { id: `text-${name}`, rows: "8", maxlength: "65536", "aria-describedby": changes.id });
  area.value = before;
  const compare = () => {
    const marks = { same: "span", out: "del", in: "ins" };
    changes.replaceChildren(...differences(before, area.value).map(([kind, text]) => h(marks[kind], {}, text)));
  };
  area.addEventListener("input", compare);
  compare();
  const send = () => area.value.trim() && answer({ corrected_text: area.value });
  return {
    shown: [
      h("label", { for: area.id }, "What the answer should have been"),
      area,
      h("h3", {}, "What you change"),
      changes,
      h("button", { click: send }, "Submit ", h("kbd", {}, "Ctrl Enter")),
    ],
    keys: { "ctrl+enter": send },
  };
}

function given(outputs) {
  return h("div", { class: "given" }, h("h3", {}, "The model answered"), outputs.map((output) => content(output.content)));
}

function buttons(choices, answer) {
  return h(
    "div",
    { class: "buttons" },
    choices.map(({ words, value, key }, place) =>
      h("button", { class: "plain", click: () => answer(value) }, key || place < 9 ? h("kbd", {}, key ?? String(place + 1)) : null, " ", words),
    ),
  );
}

function numbered(choices, answer) {
  return Object.fromEntries(choices.slice(0, 9).map(({ value }, place) => [String(place + 1), () => answer(value)]));
}

function rejected(outputs, preferred) {
  const others = outputs.filter((output) => output.output_id !== preferred.output_id);
  return others.length === 1 ? { rejected_output_id: others[0].output_id } : {};
}

function isObject(value) {
  return value !== null && typeof value === "object";
}
