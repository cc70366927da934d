// The review page: shows what is in front, and does what keys and buttons say.

import { h } from "/static/dashboard/dom.js";
import { answers } from "/static/review/answers.js";
import { ask } from "/static/review/api.js";
import { Desk } from "/static/review/desk.js";
import { content, inputs } from "/static/review/items.js";

const WORDS = {
  empty: "Nothing to review now. This page looks again by itself.",
  "daily-limit": "You have done what the queue asks of you today.",
  "judged-elsewhere": "The items of this queue are judged in another tool.",
  "too-many-leases": "One moment: your last answer is being sent.",
  ended: "Your session is over. Sign in again to go on.",
  refused: "This queue is not for your key.",
};
const place = (id) => document.getElementById(id);
let desk = null;
let keys = {};
let shownTask = null;

function say(words, isBad = false) {
  place("notice").hidden = !words;
  place("notice").textContent = words;
  place("notice").dataset.bad = String(isBad);
}

/** Draws what is in front; a task that stands there already is left alone. */
function draw() {
  const task = desk.current;
  place("undo").hidden = !desk.held;
  if (desk.held) place("undo").replaceChildren(h("span", {}, "Answered. "), button("Undo", "U", undo));
  place("progress").textContent = `${desk.done + (desk.held?.what === "submit" ? 1 : 0)} answered here`;
  if (task && task === shownTask) return;
  shownTask = task;
  if (!task) {
    keys = {};
    const link = desk.reason === "ended" ? h("a", { href: "/session?next=/review" }, "Sign in") : null;
    place("item").replaceChildren(h("p", { class: "empty" }, WORDS[desk.reason] ?? "Loading", " ", link));
    place("answer").replaceChildren();
    return;
  }
  const said = task.item.feedback;
  place("item").replaceChildren(
    h("p", { class: "quiet" }, task.reason),
    inputs(task.item.inference),
    said ? h("div", { class: "given" }, h("h3", {}, `Somebody said (${said.feedback_type})`), content(said.feedback_value)) : "",
  );
  const given = answers(task, (value) => put("submit", { value }));
  keys = given.keys;
  place("answer").replaceChildren(
    ...given.shown.filter(Boolean),
    h("div", { class: "leave" }, button("Skip", "S", () => put("skip")), button("Leave to an expert", "E", () => put("escalate"))),
  );
  place("guidelines").replaceChildren(h("p", { class: "text" }, task.asked.guidelines || "This queue has none."));
}

function button(words, key, does) {
  return h("button", { class: "plain small", click: does }, words, " ", h("kbd", {}, key));
}

function put(what, body) {
  say("");
  desk.put(what, body);
  if (document.activeElement?.closest("#answer")) place("main").focus({ preventScroll: true });
}

function undo() {
  desk.undo();
}

function pressed(event) {
  const isTyping = event.target.closest("textarea, input, select");
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "Enter" && keys["ctrl+enter"]) keys["ctrl+enter"]();
    return;
  }
  if (isTyping || event.altKey || event.repeat || !desk) return;
  const always = { s: () => put("skip"), e: () => put("escalate"), u: undo };
  const does = keys[event.key.toLowerCase()] ?? always[event.key.toLowerCase()];
  if (!does) return;
  event.preventDefault();
  does();
}

function sit(queueId) {
  desk?.close();
  shownTask = undefined;
  desk = new Desk(queueId, draw, say);
  draw();
  desk.fill();
}

async function start() {
  const { queues } = await ask("GET", "/v1/review/queues");
  const mine = queues.filter((queue) => queue.is_reviewer).map((queue) => queue.queue_id);
  place("queue").replaceChildren(...mine.map((name) => h("option", { value: name }, name)));
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (mine.includes(wanted)) place("queue").value = wanted;
  place("queue").addEventListener("change", (event) => {
    location.hash = encodeURIComponent(event.target.value);
    sit(event.target.value);
    place("main").focus();
  });
  document.addEventListener("keydown", pressed);
  addEventListener("pagehide", () => desk.flush());
  sit(place("queue").value);
}

start().catch((error) => say(`The page could not start: ${error.message}. Load it again.`, true));
