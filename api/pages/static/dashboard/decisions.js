// Who serves, what was decided and why, which alerts stand, whether the world drifts, and what was refused.

import { read } from "./api.js";
import { h, nothing, show, table } from "./dom.js";
import { capped, figure, time } from "./format.js";

const SHOWN = 12;
const WORDS = {
  alert_raised: ["alert raised", "bad"],
  alert_recovered: ["recovered", "good"],
  dataset_compiled: ["dataset compiled", ""],
  drift_detected: ["drift detected", "bad"],
  drift_resolved: ["drift resolved", "good"],
  drift_signalled: ["drift signalled", "bad"],
  model_promoted: ["promoted", "accent"],
  model_refused: ["refused", ""],
  model_rollback_refused: ["rollback refused", ""],
  model_rolled_back: ["rolled back", "bad"],
  model_shadow_ended: ["shadow ended", ""],
  model_shadowed: ["in the shadow", "accent"],
  model_trained: ["trained", ""],
  retraining_suppressed: ["no retraining", ""],
  retraining_triggered: ["retraining", "accent"],
  reward_model_trained: ["reward model", ""],
};
const DRIFT = ["drift_detected", "drift_resolved", "drift_signalled", "retraining_triggered", "retraining_suppressed"];

/** What changes with a decision; reads the alerts anew, and returns those that stand. */
export async function refreshDecisions(status) {
  const { alerts } = await read("/v1/alerts");
  const models = status.champions;
  show("models", models.length ? champions(models) : nothing("No model was promoted yet."));
  const stands = standing(alerts, models);
  show("alerts", alerts.length ? alertList(alerts, new Set(stands)) : nothing("No alert was ever raised."));
  show("drift", drift(status.decisions));
  show("decisions", status.decisions.length ? timeline(status.decisions.slice(0, SHOWN)) : nothing("Nothing was decided yet."));
  return stands;
}

/** Alerts whose newest word is that they were raised, about versions that may serve: of a model with a champion, that. */
function standing(alerts, champions) {
  const serving = new Map(champions.map((one) => [one.model_name, one.model_version]));
  const newest = new Map();
  for (const one of alerts) {
    const name = [one.rule, one.model_name, one.model_version].join("\n");
    if (!newest.has(name)) newest.set(name, one);
  }
  const matters = (one) => [undefined, one.model_version].includes(serving.get(one.model_name));
  return [...newest.values()].filter((one) => one.state === "raised" && matters(one));
}

export function showQuarantine({ quarantine }) {
  const rows = Object.entries(quarantine.by_code).map(([code, events]) => [h("code", {}, code), capped(events)]);
  show("quarantine", rows.length ? table("Held in the quarantine", ["Code", "Events"], rows) : nothing("Nothing is held."));
}

function champions(models) {
  const rows = models.map((one) => [
    one.model_name,
    h("b", {}, one.model_version),
    one.previous_version ?? "–",
    time(one.promoted_at),
  ]);
  return table("The version that serves of each model", ["Model", "Serves", "Before", "Since"], rows);
}

function alertList(alerts, stands) {
  const rows = alerts.slice(0, SHOWN).map((one) => [
    h("span", { class: `badge ${stands.has(one) ? "bad" : one.state === "raised" ? "" : "good"}` }, stands.has(one) ? "▲ stands" : one.state),
    `${one.rule} · ${one.model_name} ${one.model_version}`,
    figure(one.value),
    time(one.raised_at),
  ]);
  return table("Alerts, newest first", ["State", "Rule and model", "Value", "At"], rows);
}

/** The newest word on drift about each model. */
function drift(decisions) {
  const newest = new Map();
  for (const one of decisions) if (DRIFT.includes(one.kind) && !newest.has(one.model_name)) newest.set(one.model_name, one);
  if (!newest.size) return nothing("No drift was reported.");
  return h("ul", { class: "plain-list" }, [...newest.values()].map((one) => h("li", {}, badge(one.kind), ` ${one.model_name}: ${one.reason ?? ""} `, moment(one.at))));
}

function timeline(decisions) {
  return h(
    "ol",
    { class: "timeline" },
    decisions.map((one) =>
      h("li", {}, moment(one.at), badge(one.kind), h("span", {}, h("b", {}, about(one)), one.reason ? ` ${one.reason}` : "")),
    ),
  );
}

function about(one) {
  const version = one.model_version ?? one.dataset_version;
  return [one.rule, version ?? one.model_name].filter(Boolean).join(" · ");
}

function badge(kind) {
  const [words, colour] = WORDS[kind] ?? [kind.replaceAll("_", " "), ""];
  return h("span", { class: `badge ${colour}` }, words);
}

function moment(at) {
  return h("time", { datetime: at, class: "quiet" }, time(at));
}

