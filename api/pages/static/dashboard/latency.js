// Loop latency: each stage from half of the feedback (p50) to nearly all (p99), against its objective; what is stuck.

import { read } from "./api.js";
import { h, nothing, show, svg, table } from "./dom.js";
import { count, duration, time } from "./format.js";

const STAGES = {
  received: "occurred → received",
  durable: "→ durable",
  attributed: "→ attributed",
  enriched: "→ enriched",
  queued: "→ in training queue",
  in_dataset: "→ in dataset",
  trained: "→ trained",
  serving: "→ serving",
  occurred_to_queued: "occurred to training queue",
  occurred_to_serving: "occurred to serving",
};
const SHORTEST_MS = 0.5;
const LONGEST_MS = 86_400_000;
const TICKS = { "1\u00a0ms": 1, "1\u00a0s": 1_000, "1\u00a0min": 60_000, "1\u00a0h": 3_600_000 };

/** Reads what the last hour took, and shows it; returns the answer. */
export async function refreshLatency() {
  const answer = await read("/v1/latency");
  const sampled = answer.is_sample ? "a sample of the" : "the";
  document.getElementById("latency-note").textContent = answer.events
    ? `${count(answer.events)} feedback, ${sampled} last hour's`
    : "";
  show("latency", answer.events ? stages(answer.stages) : nothing("No feedback has come to the training queue in the last hour."));
  show("stuck", answer.stuck.length ? waiting(answer.stuck) : nothing("Nothing waits longer than it may."));
  return answer;
}

function stages(told) {
  const rows = told.map((one) => [
    STAGES[one.stage],
    duration(one.p50_ms),
    duration(one.p95_ms),
    duration(one.p99_ms),
    objective(one),
    count(one.events),
    bar(one),
  ]);
  return table("Loop latency by stage", ["Stage", "p50", "p95", "p99", "Objective", "Feedback", scale()], rows);
}

/** What the last column is, and its unit above each tick. */
function scale() {
  const ticks = Object.keys(TICKS).map((name, n) => h("span", { class: `at${n}` }, name));
  return h("span", { class: "scale" }, h("span", { class: "unseen" }, "From p50 to p99: "), ticks);
}

function objective(one) {
  if (one.objective_ms === null) return "–";
  const told = duration(one.objective_ms);
  if (one.is_met === null) return told;
  const verdict = one.is_met ? h("span", { class: "good" }, "✓\u00a0met") : h("span", { class: "bad" }, "✗\u00a0missed");
  return h("span", {}, h("span", { class: "figure" }, `${told} `), verdict);
}

/** From p50 to p99 on a logarithmic scale, with p95 and the objective ticked; the figures stand beside it. */
function bar(one) {
  const picture = svg("svg", { viewBox: "0 0 200 16", preserveAspectRatio: "none", class: "range", "aria-hidden": "true" });
  for (const ms of Object.values(TICKS)) picture.append(svg("line", { x1: place(ms), x2: place(ms), y1: 0, y2: 16, class: "tick" }));
  if (one.p50_ms !== null) {
    const [from, to] = [place(one.p50_ms), place(one.p99_ms)];
    picture.append(svg("rect", { x: from, width: Math.max(to - from, 3), y: 4, height: 8, rx: 2, class: one.is_met === false ? "bad" : "span" }));
    picture.append(svg("rect", { x: place(one.p95_ms), width: 1.5, y: 4, height: 8, class: "p95" }));
  }
  if (one.objective_ms !== null) picture.append(svg("line", { x1: place(one.objective_ms), x2: place(one.objective_ms), y1: 0, y2: 16, class: "objective" }));
  return picture;
}

function place(ms) {
  const bounded = Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS);
  return (Math.log10(bounded / SHORTEST_MS) / Math.log10(LONGEST_MS / SHORTEST_MS)) * 198;
}

function waiting(told) {
  const rows = told.map((one) => [
    STAGES[one.stage],
    `${count(one.events)}${one.is_capped ? "+" : ""}`,
    one.reason,
    time(one.since),
    h("code", {}, one.feedback_ids[0] ?? "–"),
  ]);
  return table("What is stuck", ["Before stage", "Feedback", "Why", "Since", "For one"], rows);
}
