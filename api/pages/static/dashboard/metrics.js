// Metrics by model version over event time, with alerts and promotions marked.

import { read } from "./api.js";
import { LineChart } from "./charts.js";
import { figures, nothing } from "./dom.js";
import { figure, seconds, time } from "./format.js";

const POINTS = 120;
const MOST_VERSIONS = 6;
const PREFERRED = ["accuracy", "satisfaction", "click_through", "win_rate", "mean_reward", "volume"];
const SHARES = new Set(["accuracy", "satisfaction", "click_through", "win_rate", "disagreement"]);

export class Metrics {
  constructor() {
    this.form = document.getElementById("metric-choice");
    this.host = document.getElementById("metric-chart");
    this.marks = [];
    this.form.addEventListener("change", () => this.refresh());
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Reads what is chosen and draws it. */
  async refresh() {
    const chosen = this.chosen();
    const { aggregates } = await read("/dashboard/metrics", { window_s: chosen.window || null });
    this.offer("model", [...new Set(aggregates.map((row) => row.model_name))].sort());
    const ofModel = aggregates.filter((row) => row.model_name === this.chosen().model);
    this.offer("metric", ordered([...new Set(ofModel.map((row) => row.metric))]));
    this.draw(ofModel.filter((row) => row.metric === this.chosen().metric));
  }

  chosen() {
    const { model, metric, window } = this.form.elements;
    return { model: model.value, metric: metric.value, window: Number(window.value) };
  }

  /** Gives a choice its options, and keeps what was chosen. */
  offer(name, values) {
    const select = this.form.elements[name];
    const known = [...select.options].map((option) => option.value);
    if (known.join("\n") === values.join("\n")) return;
    const before = select.value;
    select.replaceChildren(...values.map((value) => new Option(value, value)));
    if (values.includes(before)) select.value = before;
  }

  /** Decisions of the log that belong into the picture. */
  mark(decisions) {
    const kinds = { alert_raised: "alert", alert_recovered: "recovered", model_promoted: "promoted" };
    this.marks = decisions
      .filter((one) => kinds[one.kind])
      .map((one) => ({ ...one, kind: kinds[one.kind], at: seconds(one.kind === "model_promoted" ? one.at : one.occurred_at) }));
  }

  draw(rows) {
    const { model, metric } = this.chosen();
    if (!rows.length) {
      this.chart?.clear();
      this.host.replaceChildren(nothing("No feedback with a metric in this window. Post some, or choose a longer window."));
      this.chart = null;
      return;
    }
    if (!this.chart) this.host.replaceChildren();
    this.chart ??= new LineChart(this.host, { format: figure, label: "" });
    const given = frame(rows);
    const [first, last] = [given.times[0], given.times.at(-1)];
    given.marks = this.marks.filter(
      (mark) => mark.model_name === model && (!mark.metric || mark.metric === metric) && mark.at >= first - 60 && mark.at <= last + 60,
    );
    this.chart.label = `${metric} of ${model} by version`;
    this.chart.range = SHARES.has(metric) ? [floor(given.lines), 1] : [0, null];
    this.chart.draw(given);
    figures("metric-table", this.chart.label, ["Time", ...given.lines.map((line) => line.name)], () => lines(given));
  }
}

/** Rows of buckets as lines by version, at most POINTS points each: sums are added up, and only then divided. */
export function frame(rows) {
  const starts = rows.map((row) => seconds(row.bucket_start));
  const [first, last] = [Math.min(...starts), Math.max(...starts)];
  const width = Math.max(10, Math.ceil((last - first) / POINTS / 10) * 10);
  const place = (second) => Math.floor(second / width) * width;
  const times = [...new Set(starts.map(place))].sort((a, b) => a - b);
  const newest = new Map();
  rows.forEach((row, n) => newest.set(row.model_version, Math.max(newest.get(row.model_version) ?? 0, starts[n])));
  const versions = [...newest].sort((a, b) => b[1] - a[1]).slice(0, MOST_VERSIONS).map(([name]) => name).sort();
  return {
    times,
    lines: versions.map((version) => {
      const sums = new Map();
      rows.forEach((row, n) => {
        if (row.model_version !== version) return;
        const [up, down] = sums.get(place(starts[n])) ?? [0, 0];
        sums.set(place(starts[n]), [up + Number(row.numerator), down + Number(row.denominator)]);
      });
      return { name: version, values: times.map((at) => ratio(sums.get(at))) };
    }),
  };
}

/** A share is drawn from a tenth or more below its least value on, so that a fall can be seen. */
function floor(drawn) {
  const values = drawn.flatMap((line) => line.values).filter((value) => value !== null);
  return Math.max(0, Math.floor(Math.min(...values) * 10 - 1) / 10);
}

function ratio(sums) {
  return sums && sums[1] > 0 ? sums[0] / sums[1] : null;
}

function lines({ times, lines: drawn }) {
  return times.map((at, n) => [time(at * 1000), ...drawn.map(({ values }) => figure(values[n]))]).reverse();
}

function ordered(names) {
  const rank = (name) => (PREFERRED.indexOf(name) + 1 || PREFERRED.length + 1);
  return names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
