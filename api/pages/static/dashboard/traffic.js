// What comes in, and how far the stream is behind it.

import { LineChart } from "./charts.js";
import { figures } from "./dom.js";
import { count, duration, figure, seconds, time } from "./format.js";

const HISTORY_S = 900;

export class Traffic {
  constructor() {
    const perSecond = (value) => (value === null ? "–" : `${figure(value)}/s`);
    this.received = new LineChart(document.getElementById("traffic-chart"), { format: perSecond, label: "Events received a second" });
    this.lag = new LineChart(document.getElementById("lag-chart"), {
      format: (value) => (value === null ? "–" : duration(value)),
      scale: (value) => duration(value, 2),
      label: "How long the oldest event that is not processed has waited",
    });
    this.lags = [];
  }

  draw(status) {
    const now = seconds(status.at);
    const given = rates(status, now);
    this.received.draw(given);
    figures("traffic-table", this.received.label, ["Time", "Feedback", "Inferences"], () =>
      given.times.map((at, n) => [time(at * 1000), ...given.lines.map(({ values }) => `${figure(values[n])}/s`)]).reverse(),
    );
    this.lags.push([now, status.stream.lag_s * 1000]);
    this.lags = this.lags.filter(([at]) => at > now - HISTORY_S);
    this.lag.draw({
      times: this.lags.map(([at]) => at),
      lines: [{ name: "oldest waits", values: this.lags.map(([, ms]) => ms), fill: true }],
      span: [Math.min(this.lags[0][0], now - 60), now],
    });
    figures("lag-table", "Lag by consumer", ["Consumer", "Events behind", "Oldest waits", "Process"], () =>
      status.stream.consumers.map((one) => [
        one.name,
        count(one.lag),
        duration(one.lag_s * 1000),
        one.is_running ? "running" : "none",
      ]),
    );
  }
}

/** Events a second in every bucket since the first one that is known, 0 where nothing came; the open one is left out. */
export function rates({ received, bucket_s: width }, now) {
  const last = Math.floor(now / width) * width - width;
  const first = received.length ? seconds(received[0].start) : last - 60;
  const known = new Map(received.map((one) => [seconds(one.start), one]));
  const times = [];
  for (let at = Math.max(first, last - HISTORY_S); at <= last; at += width) times.push(at);
  const of = (kind) => times.map((at) => (known.get(at)?.[kind] ?? 0) / width);
  return {
    times,
    lines: [
      { name: "feedback", values: of("feedback"), fill: true },
      { name: "inferences", values: of("inferences") },
    ],
    span: [Math.min(first, last - 60), last],
  };
}
