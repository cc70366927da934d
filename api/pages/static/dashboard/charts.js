// Lines over time, drawn by uPlot in the page's colours, with marks, a legend of our own, and words for who cannot see.

import { h } from "./dom.js";

const FONT = "12px system-ui, sans-serif";
const COLOURS = 6;
const FEW = 40; // points of a line that are told apart by dots
const dark = matchMedia("(prefers-color-scheme: dark)");

/** The page's colour of that name, as it is now. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** One chart in `host`; `format` writes a value, `scale` one beside the lines, `range` bounds the values ([low, high], null is open). */
export class LineChart {
  constructor(host, { format, scale = format, range = [0, null], label }) {
    Object.assign(this, { host, format, scale, range, label, drawn: "", plot: null, given: null });
    this.canvas = h("div", { class: "plot", role: "img" });
    this.legend = h("ul", { class: "legend" });
    host.append(this.canvas, this.legend);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.canvas);
    dark.addEventListener("change", () => this.given && this.draw(this.given, true));
  }

  /** `times` are seconds, `lines` are {name, values, fill?}, `marks` are {at, kind, name}; the frame is kept. */
  draw(given, anew = false) {
    this.given = given;
    const shape = given.lines.map((line) => line.name).join("\n");
    const data = [given.times, ...given.lines.flatMap(({ values, low, high }) => (low ? [values, low, high] : [values]))];
    if (anew || shape !== this.drawn || !this.plot) {
      this.plot?.destroy();
      this.plot = new globalThis.uPlot(this.options(given), data, this.canvas);
      this.drawn = shape;
    } else {
      this.plot.setData(data);
    }
    this.tell(null);
  }

  clear() {
    this.plot?.destroy();
    Object.assign(this, { plot: null, given: null, drawn: "" });
    this.legend.replaceChildren();
    this.canvas.removeAttribute("aria-label");
  }

  size() {
    return { width: Math.max(this.canvas.clientWidth, 200), height: this.host.classList.contains("tall") ? 300 : 180 };
  }

  options({ lines }) {
    const axis = { stroke: colour("quiet"), font: FONT, ticks: { show: false } };
    const grid = { stroke: colour("line"), width: 1 };
    const [low, high] = this.range;
    return {
      ...this.size(),
      padding: [14, 26, 0, 0],
      legend: { show: false },
      cursor: { points: { size: 7 }, drag: { x: false, y: false }, y: false },
      scales: { x: { range: (_, from, to) => this.span(from, to) }, y: { range: (_, from, to) => bounds(from, to, low, high) } },
      axes: [
        { ...axis, grid: { show: false }, space: 70, size: 34, values: (plot, splits) => splits.map((at) => clock(at, plot.scales.x.max - plot.scales.x.min)) },
        { ...axis, grid, size: 56, values: (_, splits) => splits.map((value) => this.scale(value)) },
      ],
      series: [{}, ...lines.flatMap((line, place) => series(line, place))],
      bands: lines.flatMap(({ low }, place) => (low ? [band(place)] : [])),
      hooks: {
        drawClear: [(plot) => this.marks(plot)],
        setCursor: [(plot) => this.tell(plot.cursor.idx)],
      },
    };
  }

  span(from, to) {
    const [first, last] = this.given.span ?? [from, to];
    return last > first ? [first, last] : [first - 30, last + 30];
  }

  /** A line through each mark, and its sign on top; behind the values. */
  marks(plot) {
    const { ctx, bbox } = plot;
    const top = bbox.top - 4 * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const mark of this.given.marks ?? []) {
      const x = plot.valToPos(mark.at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = colour(MARKS[mark.kind].colour);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.font = `${13 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "center";
      ctx.fillText(MARKS[mark.kind].sign, x, top);
    }
    ctx.restore();
  }

  /** The legend with the values at `place`, the newest where nothing is pointed at. */
  tell(place) {
    const { times, lines, marks = [] } = this.given;
    const values = lines.map(({ values }) => values[place ?? values.findLastIndex((value) => value !== null)]);
    const kinds = [...new Set(marks.map((mark) => mark.kind))];
    this.legend.replaceChildren(
      place === null || place === undefined ? "" : h("li", { class: "quiet" }, clock(times[place])),
      ...lines.map((line, n) =>
        h("li", {}, h("span", { class: `swatch s${n % COLOURS}` }), `${line.name} `, h("b", {}, this.format(values[n] ?? null))),
      ),
      lines.some((line) => line.low) ? h("li", { class: "quiet" }, "shaded: 95 % interval") : "",
      ...kinds.map((kind) => h("li", { class: MARKS[kind].colour }, `${MARKS[kind].sign} ${MARKS[kind].name}`)),
    );
    if (place === null || place === undefined) {
      const said = lines.map((line, n) => `${line.name} ${this.format(values[n] ?? null)}`).join(", ");
      const alerts = marks.filter((mark) => mark.kind === "alert").length;
      this.canvas.setAttribute("aria-label", `${this.label}: now ${said || "nothing"}${alerts ? `; ${alerts} alerts` : ""}`);
    }
  }
}

/** What is marked in a chart: its sign and its colour. */
export const MARKS = {
  alert: { sign: "▲", colour: "bad", name: "alert raised" },
  recovered: { sign: "▼", colour: "good", name: "recovered" },
  promoted: { sign: "★", colour: "accent", name: "promoted" },
};

/** Between the bounds of one line; where one has bounds all have. */
function band(place) {
  return { series: [3 * place + 3, 3 * place + 2], fill: `${colour(`s${place % COLOURS}`)}26` };
}

function series({ fill, low }, place) {
  const stroke = colour(`s${place % COLOURS}`);
  const few = (plot, n) => plot.data[n].filter((value) => value !== null).length < FEW;
  const line = { stroke, width: 2, spanGaps: true, fill: fill ? `${stroke}22` : undefined, points: { show: few, size: 5, fill: stroke } };
  const bound = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
  return low ? [line, bound, bound] : [line];
}

function bounds(from, to, low, high) {
  const least = low ?? Math.min(from ?? 0, 0);
  const most = high ?? Math.max((to ?? 0) * 1.1, least + 1);
  return [least, most];
}

/** The time of day as exactly as a span of so many seconds takes, with the day where it is long or another one. */
function clock(second, span = 0) {
  const at = new Date(second * 1000);
  const day = span > 86_400 || at.toDateString() !== new Date().toDateString() ? { day: "numeric", month: "short" } : {};
  const parts = { ...day, hour: "2-digit", minute: "2-digit", second: span > 1_200 ? undefined : "2-digit" };
  return at.toLocaleString("en-GB", parts);
}
