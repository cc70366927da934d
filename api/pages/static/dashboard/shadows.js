// Versions in the shadow: how often they and their champions were right on the same labelled answers, and how surely.

import { read } from "./api.js";
import { h, nothing, show, svg, table } from "./dom.js";
import { count, figure, time } from "./format.js";

/** Reads which versions answer in a shadow, and shows what they have shown. */
export async function refreshShadows() {
  const { models } = await read("/v1/models");
  const beside = models.filter((one) => one.shadow);
  show("shadows", ...(beside.length ? beside.map(duel) : [nothing("No version answers beside a champion.")]));
}

function duel({ model_name: model, model_version: serving, shadow }) {
  const { model_version: version, seen } = shadow;
  if (!seen) return h("p", { class: "duel" }, h("b", {}, version), ` beside ${serving} since ${time(shadow.since)}; the graph has not compared them yet.`);
  const rows = [
    side("champion", seen.champion_version, seen.champion, seen.champion_alone),
    side("shadow", version, seen.shadow, seen.shadow_alone),
  ];
  return h(
    "div",
    { class: "duel" },
    table(`${version} in the shadow of ${model}`, [model, "Right (95 %)", "Alone right", "0 to 1"], rows),
    h("p", { class: "quiet" }, `${said(seen)}; since ${time(shadow.since)}, as of ${time(seen.reported_at)}`),
  );
}

function said({ reason, evidence, sure_at: sureAt }) {
  return `${reason[0].toUpperCase()}${reason.slice(1)}; evidence ${figure(evidence)}, sure at ${sureAt}`;
}

function side(role, version, seen, alone) {
  const sure = seen.share === null ? "–" : `${share(seen.share)} (${share(seen.low)} to ${share(seen.high)})`;
  return [h("span", {}, h("b", {}, version), ` ${role}`), sure, count(alone), interval(seen, role)];
}

function share(value) {
  return value.toFixed(2);
}

/** The share and its interval on a line from 0 to 1; the figures stand beside it. */
function interval({ share, low, high }, role) {
  const picture = svg("svg", { viewBox: "0 0 200 16", preserveAspectRatio: "none", class: `range ${role}`, "aria-hidden": "true" });
  for (const at of [0, 0.25, 0.5, 0.75, 1]) picture.append(svg("line", { x1: place(at), x2: place(at), y1: 0, y2: 16, class: "tick" }));
  if (share !== null) {
    picture.append(svg("rect", { x: place(low), width: Math.max(place(high) - place(low), 2), y: 4, height: 8, rx: 2, class: "span" }));
    picture.append(svg("rect", { x: place(share) - 1, width: 2, y: 2, height: 12, class: "p95" }));
  }
  return picture;
}

function place(share) {
  return 1 + share * 198;
}
