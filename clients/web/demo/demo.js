/** The demonstration: four answers, each with a widget, and a log of what is sent. */

import { FeedbackClient, FeedbackWidget } from "../widget.js";
import { standIn } from "./stand_in.js";

const chosen = new URLSearchParams(location.search);
const form = document.querySelector("form");
const url = chosen.get("url");
const key = chosen.get("key");
const { browser, network } = standIn();
const isReal = Boolean(url && key);

FeedbackWidget.languages.de = {
  thumbs_question: "War das hilfreich?",
  thumbs_up: "Ja, hilfreich",
  thumbs_down: "Nein, nicht hilfreich",
  why_label: "Was war falsch?",
  stars_question: "Wie gut war das?",
  stars_star: "{n} von {max}",
  text_edit_open: "Korrektur vorschlagen",
  text_edit_label: "Was wäre richtig gewesen?",
  text_open: "Kommentar schreiben",
  text_label: "Ihr Kommentar",
  pair_question: "Welche Antwort ist besser?",
  pair_name: "Antwort {letter}",
  pair_choose: "{name} ist besser",
  pair_tie: "Etwa gleich gut",
  choice_question: "Was wäre richtig gewesen?",
  send: "Senden",
  cancel: "Abbrechen",
  undo: "Zurücknehmen",
  thanks: "Danke.",
  undone: "Zurückgenommen.",
  waiting: "Noch nicht gesendet: Warten auf das Netz.",
  refused: "Das konnte nicht gespeichert werden.",
  unchanged: "Bitte ändern Sie den Text.",
  empty: "Bitte schreiben Sie etwas.",
};
FeedbackWidget.client = isReal
  ? new FeedbackClient({ url, key })
  : new FeedbackClient({ url: "https://stand-in.invalid", key: "fk_demo" }, browser);

document.querySelector("#where").textContent = isReal
  ? `Sends to ${url}.`
  : "Nothing leaves this page: an API inside it answers. To send for real, enter an address and a browser key below.";
document.querySelector("#pair").outputs = [
  {
    output_id: "A",
    content: "Dear Ms Okafor,\n\nyour order left our warehouse today and should reach you on Thursday.",
  },
  { output_id: "B", content: "Hi! Your parcel is on its way. It usually takes two days. Thanks for waiting!" },
];
document.querySelector("#choice").labels = ["account", "billing", "refund", "something else"];
for (const widget of document.querySelectorAll("feedback-widget"))
  widget.setAttribute("lang", chosen.get("language") ?? "en");

for (const name of ["sent", "refused", "undone"]) {
  document.addEventListener(`feedback-${name}`, ({ detail }) => {
    const { feedback_id, feedback_type, feedback_value, offset, code } = detail;
    const line = document.createElement("li");
    const event = document.createElement("code");
    line.className = name;
    line.append(`${feedback_type} ${name}${offset ? ` at offset ${offset}` : ""}${code ? `: ${code}` : ""}`, event);
    event.textContent = `${feedback_id} ${feedback_value ? JSON.stringify(feedback_value) : ""}`;
    document.querySelector("#log ol").prepend(line);
  });
}

form.elements.url.value = url ?? "";
form.elements.key.value = key ?? "";
form.elements.language.value = chosen.get("language") ?? "en";
form.elements.offline.disabled = isReal;
form.elements.offline.addEventListener("change", (event) => {
  network.isCut = event.target.checked;
  if (!network.isCut) window.dispatchEvent(new Event("online"));
});
form.elements.language.addEventListener("change", go);
form.addEventListener("submit", go);

/** @param {Event} event */
function go(event) {
  event.preventDefault();
  const fields = ["url", "key", "language"].map((name) => [name, form.elements[name].value]);
  location.search = String(new URLSearchParams(fields.filter(([, value]) => value)));
}
