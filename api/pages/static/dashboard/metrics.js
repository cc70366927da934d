// Metrics by model version over event time, with how sure they are, and with alerts and promotions marked.

import { read } from "./api.js";
import { LineChart } from "./charts.js";
import { figures, nothing } from "./dom.js";
import { figure, seconds, time } from "./format.js";

const MOST_VERSIONS = 6;
const PREFERRED = ["accuracy", "satisfaction", "click_through", "win_rate", "mean_reward", "volume"];
const SHARES = new Set(["accuracy", "satisfaction", "click_through", "win_rate", "disagreement"]);
const LISTED_MS = 20_000;
const KINDS = { alert_raised: "alert", alert_recovered: "recovered", model_promoted: "promoted" };

export class Metrics {
  constructor() {
    this.form = document.getElementById("metric-choice");
    this.host = document.getElementById("metric-chart");
    this.marks = [];
    this.listed = {};
    this.form.addEventListener("change", () => this.refresh());
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Reads what is chosen, the newest sixty windows of it, and draws it. */
  async refresh() {
    await this.list();
    const asked = this.chosen();
    if (!asked.metric) return this.draw([]);
    const { series } = await read("/v1/aggregates", { model_name: asked.model, metric: asked.metric, window_s: asked.window });
    if (same(asked, this.chosen())) this.draw(series);
  }

  /** Offers the metrics that the model has; they are all asked for, so this is done seldom. */
  async list() {
    const { model, window } = this.chosen();
    const isKnown = same(this.listed, { model, window }) && Date.now() - this.listedAt < LISTED_MS;
    if (!model || isKnown) return;
    const { series } = await read("/v1/aggregates", { model_name: model, window_s: window });
    this.offer("metric", ordered([...new Set(series.map((one) => one.metric))]));
    Object.assign(this, { listed: { model, window }, listedAt: Date.now() });
  }

  chosen() {
    const { model, metric, window } = this.form.elements;
    return { model: model.value, metric: metric.value, window: window.value };
  }

  /** Gives a choice its options, and keeps what was chosen; says whether they are others than before. */
  offer(name, values) {
    const select = this.form.elements[name];
    const known = [...select.options].map((option) => option.value);
    if (known.join("\n") === values.join("\n")) return false;
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(value, value)));
    if (values.includes(before)) select.value = before;
    return true;
  }

  /** Decisions of the log that belong into the picture. */
  mark(decisions) {
    this.marks = decisions
      .filter((one) => KINDS[one.kind])
      .map((one) => ({ ...one, kind: KINDS[one.kind], at: seconds(one.kind === "model_promoted" ? one.at : one.occurred_at) }));
  }

  draw(series) {
    const { model, metric, window } = this.chosen();
    const given = frame(series);
    if (!given.times.length) {
      this.chart?.clear();
      this.chart = null;
      this.host.replaceChildren(nothing("No feedback with a metric yet. Post some about a logged inference."));
      return;
    }
    if (!this.chart) this.host.replaceChildren();
    this.chart ??= new LineChart(this.host, { format: figure, label: "" });
    const [first, last] = [given.times[0], given.times.at(-1) + Number(window)];
    given.marks = this.marks.filter(
      (mark) => mark.model_name === model && (!mark.metric || mark.metric === metric) && mark.at >= first && mark.at <= last + 60,
    );
    this.chart.label = `${metric} of ${model} by version`;
    this.chart.range = SHARES.has(metric) ? [floor(given.lines), 1] : [0, null];
    this.chart.draw(given);
    figures("metric-table", this.chart.label, ["Time", ...given.lines.map((line) => line.name)], () => rows(given));
  }
}

/** Series of windows as lines by version, the newest ones; null where a version has no window. */
export function frame(series) {
  const newest = (one) => Math.max(0, ...one.windows.map((window) => seconds(window.start)));
  const shown = series
    .filter((one) => one.windows.some((window) => window.value !== null))
    .sort((a, b) => newest(b) - newest(a))
    .slice(0, MOST_VERSIONS)
    .sort((a, b) => a.model_version.localeCompare(b.model_version));
  const times = [...new Set(shown.flatMap((one) => one.windows.map((window) => seconds(window.start))))].sort((a, b) => a - b);
  return {
    times,
    lines: shown.map((one) => {
      const known = new Map(one.windows.map((window) => [seconds(window.start), window]));
      const of = (name) => times.map((at) => known.get(at)?.[name] ?? null);
      return { name: one.model_version, values: of("value"), low: of("low"), high: of("high"), samples: of("samples") };
    }),
  };
}

function same(one, other) {
  return Object.keys(other).every((name) => one[name] === other[name]);
}

/** A share is drawn from a tenth or more below its least value on, so that a fall can be seen. */
function floor(drawn) {
  const values = drawn.flatMap((line) => line.values).filter((value) => value !== null);
  return Math.max(0, Math.floor(Math.min(...values) * 10 - 1) / 10);
}

function rows({ times, lines }) {
  return times.map((at, n) => [time(at * 1000), ...lines.map((line) => cell(line, n))]).reverse();
}

function cell({ values, low, high, samples }, n) {
  if (values[n] === null) return "–";
  const sure = low[n] === null ? "" : ` (${figure(low[n])} to ${figure(high[n])})`;
  return `${figure(values[n])}${sure}, ${samples[n]} samples`;
}

function ordered(names) {
  const rank = (name) => PREFERRED.indexOf(name) + 1 || PREFERRED.length + 1;
  return names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
