// The dashboard: one event stream says what has changed, the parts of the page read what they show.

import { Ended, throttled } from "./api.js";
import { refreshDecisions, showQuarantine } from "./decisions.js";
import { refreshLatency } from "./latency.js";
import { Metrics } from "./metrics.js";
import { refreshShadows } from "./shadows.js";
import { watch } from "./stream.js";
import { time } from "./format.js";
import { showTiles } from "./tiles.js";
import { Traffic } from "./traffic.js";

const METRICS_MS = 2_000;
const LATENCY_MS = 5_000;
const SHADOWS_MS = 5_000;
const STATES = { live: "Live", away: "Reconnecting", ended: "Signed out", connecting: "Connecting" };

const seen = { status: null, latency: null, alerts: null, offset: -1, decision: -1 };
const metrics = new Metrics();
const traffic = new Traffic();

const readMetrics = throttled(() => guarded(() => metrics.refresh()), METRICS_MS);
const readLatency = throttled(
  () =>
    guarded(async () => {
      seen.latency = await refreshLatency();
      tiles();
    }),
  LATENCY_MS,
);
const readShadows = throttled(() => guarded(refreshShadows), SHADOWS_MS);
const readDecisions = throttled(
  () =>
    guarded(async () => {
      seen.alerts = await refreshDecisions(seen.status);
      tiles();
      metrics.mark(seen.status.decisions);
      await metrics.refresh();
    }),
  METRICS_MS,
);

function told(status) {
  seen.status = status;
  traffic.draw(status);
  showQuarantine(status);
  if (metrics.offer("model", status.models)) readMetrics();
  tiles();
  if (status.stream.log_offset !== seen.offset) readMetrics();
  readLatency();
  readShadows();
  const newest = status.decisions[0]?.offset ?? 0;
  if (newest !== seen.decision) readDecisions();
  Object.assign(seen, { offset: status.stream.log_offset, decision: newest });
}

function tiles() {
  showTiles(seen.status, seen.latency, seen.alerts);
}

function state(name) {
  const badge = document.getElementById("connection");
  if (badge.dataset.state === name) return;
  badge.dataset.state = name;
  badge.textContent = STATES[name];
  if (name === "ended") return ended();
  const since = seen.status ? ` What stands here is of ${time(seen.status.at)}.` : "";
  notice(name === "away" ? `The API does not answer; trying again.${since}` : "");
  if (name === "live") for (const ask of [readMetrics, readLatency, readShadows]) ask();
}

/** Nothing of the project stays on the screen of somebody whose key has ended. */
function ended() {
  for (const part of document.querySelectorAll("main, header form")) part.replaceChildren();
  const link = document.createElement("a");
  link.href = "/session?next=/dashboard";
  link.textContent = "Sign in again";
  notice("Your session has ended: the key was revoked or has expired, or you signed out. ", link);
}

function notice(...words) {
  const host = document.getElementById("notice");
  host.replaceChildren(...words);
  host.hidden = !host.textContent;
}

/** What cannot be read now is read at the next change; a session that has ended is seen by the stream. */
async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Ended)) console.warn(error.message);
  }
}

watch("/v1/status", told, state);
