// The figures on top: what is happening now, and whether it is well.

import { h, show } from "./dom.js";
import { capped, count, duration, figure } from "./format.js";

const BEHIND_S = 5;

/** Draws the tiles from the status, the last latency answer and the alerts that stand. */
export function showTiles(status, latency, alerts) {
  const whole = latency?.stages.find((one) => one.stage === "occurred_to_queued");
  const queued = latency?.stages.find((one) => one.stage === "queued");
  const { stream } = status;
  show(
    "tiles",
    tile("Events a second", figure(rate(status)), `${count(status.head)} in the log`),
    tile(
      "Stream behind",
      duration(stream.lag_s * 1000),
      stream.is_running ? `${count(stream.lag)} ${stream.lag === 1 ? "event" : "events"}` : "no stream is running",
      !stream.is_running || stream.lag_s > BEHIND_S ? "bad" : "good",
    ),
    tile("To the queue, p99", duration(whole?.p99_ms), "from when it occurred", queued?.is_met === false ? "bad" : ""),
    tile("Alerts that stand", alerts ? count(alerts.length) : "–", alerts?.length ? alerts[0].model_version : "", alerts?.length ? "bad" : ""),
    tile("Wait for inference", capped(status.pending), "not attributed yet"),
    tile("In quarantine", capped(status.quarantine.held), status.dead_letters ? `${capped(status.dead_letters)} dead letters` : "refused events held", status.dead_letters ? "bad" : ""),
  );
}

/** Events a second in the newest whole bucket. */
function rate({ at, received, bucket_s: width }) {
  const open = Math.floor(Date.parse(at) / 1000 / width) * width;
  const last = received.find((one) => Date.parse(one.start) / 1000 === open - width);
  return last ? (last.feedback + last.inferences) / width : 0;
}

function tile(name, value, more, state = "") {
  return h("div", { class: `tile ${state}` }, h("p", { class: "name" }, name), h("p", { class: "value" }, value), h("p", { class: "quiet" }, more || " "));
}
