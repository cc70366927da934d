// The lead's page: how a queue is doing, how its reviewers do, and what they could not agree on, to be decided here.

import { h, nothing, show, table } from "/static/dashboard/dom.js";
import { answers } from "/static/review/answers.js";
import { ask, Problem } from "/static/review/api.js";
import { content, inputs } from "/static/review/items.js";

const AGAIN_MS = 5000;
const COUNTED = 100_000;
const place = (id) => document.getElementById(id);
let shownTasks = null;

function say(words) {
  place("notice").hidden = !words;
  place("notice").textContent = words;
}

async function draw() {
  const queue = place("queue").value;
  const path = `/v1/review/queues/${encodeURIComponent(queue)}`;
  try {
    const [stats, left] = await Promise.all([ask("GET", `${path}/stats`), ask("GET", `${path}/tasks`)]);
    if (queue !== place("queue").value) return;
    drawFigures(stats);
    drawReviewers(stats.reviewers);
    drawTasks(left);
    say("");
  } catch (error) {
    const isMine = !(error instanceof Problem && error.status === 403);
    say(isMine ? `The server does not answer as it should: ${error.message}` : "Only an expert of the queue sees how it is doing.");
  }
}

function drawFigures(stats) {
  const waiting = stats.waiting < COUNTED ? String(stats.waiting) : `${COUNTED}+`;
  const today = stats.reviewers.reduce((sum, each) => sum + each.today, 0);
  show(
    "figures",
    figure("Waiting", waiting, `${stats.leased} with a reviewer now`),
    figure("Labels", String(stats.labels), `${today} today`),
    figure("Agreement", stats.alpha === null ? "–" : stats.alpha.toFixed(2), "Krippendorff's alpha; 1 is perfect, 0 is chance"),
    figure("To decide", String(stats.disputed + stats.escalated), `${stats.disputed} disputed, ${stats.escalated} escalated`),
  );
}

function figure(name, value, more) {
  return h("div", { class: "panel figure" }, h("h2", {}, name), h("p", { class: "value" }, value), h("p", { class: "quiet" }, more));
}

function drawReviewers(reviewers) {
  const heads = ["Reviewer", "Labels", "Today", "Has now", "Skipped", "Escalated", "Gold right"];
  const rows = reviewers.map((each) => [
    each.reviewer,
    each.labels,
    each.today,
    each.leased,
    each.skipped,
    each.escalated,
    each.gold.asked ? `${each.gold.right} of ${each.gold.asked}` : "–",
  ].map(String));
  show("reviewers", rows.length ? table("Reviewers", heads, rows) : nothing("Nobody has judged here yet."));
}

/** What stands there already is left alone, so that nobody clicks on what has just moved. */
function drawTasks({ asked, tasks }) {
  const names = JSON.stringify(tasks.map((task) => task.task_id));
  if (names === shownTasks) return;
  shownTasks = names;
  place("left").replaceChildren(
    ...(tasks.length ? tasks.map((task) => drawTask({ ...task, asked })) : [nothing("Nothing is disputed or escalated.")]),
  );
}

function drawTask(task) {
  const golden = h("input", { type: "checkbox" });
  const given = answers(task, (value) => decide(task, value, golden.checked));
  const labels = task.labels.map(({ reviewer, value }) => [reviewer, content(value)]);
  return h(
    "article",
    { class: "panel task", "aria-label": `Item ${task.inference_request_id}` },
    h("p", { class: "quiet" }, `${task.state === "disputed" ? "Disputed" : "Escalated"}. ${task.reason}`),
    inputs(task.item.inference),
    labels.length ? table("Labels", ["Reviewer", "Said"], labels) : nothing("Nobody labelled it."),
    ...given.shown.filter(Boolean),
    h("label", { class: "golden" }, golden, " Golden: judge models by it, and never train on it"),
  );
}

async function decide(task, value, golden) {
  try {
    await ask("POST", `/v1/review/tasks/${task.task_id}/adjudicate`, { value, golden });
  } catch (error) {
    if (!(error instanceof Problem && error.status === 409)) {
      say(`That was refused: ${error.message}`);
      return;
    }
  }
  await draw();
  place("main").focus({ preventScroll: true });
}

async function start() {
  const { queues } = await ask("GET", "/v1/review/queues");
  place("queue").replaceChildren(...queues.map(({ queue_id: name }) => h("option", { value: name }, name)));
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (queues.some((queue) => queue.queue_id === wanted)) place("queue").value = wanted;
  place("queue").addEventListener("change", (event) => {
    location.hash = encodeURIComponent(event.target.value);
    shownTasks = null;
    draw();
  });
  await draw();
  setInterval(() => document.hidden || draw(), AGAIN_MS);
}

start().catch((error) => say(`The page could not start: ${error.message}. Load it again.`));
