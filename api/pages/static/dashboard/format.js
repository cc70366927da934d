// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const NONE = "–";
const GAP = "\u00a0";
const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** A count; 10,000 and more in short. */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  return Math.abs(value) < 10_000 ? WHOLE.format(value) : SHORT.format(value);
}

/** A count that was taken up to a bound only. */
export function capped(value, cap = 10_000) {
  return value >= cap ? `${WHOLE.format(cap)}+` : count(value);
}

/** A rate or a metric, with as many digits as it takes. */
export function figure(value) {
  if (value === null || value === undefined) return NONE;
  if (Math.abs(value) >= 100) return count(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** Milliseconds in the unit that suits them. */
export function duration(ms, digits = 3) {
  if (ms === null || ms === undefined) return NONE;
  for (const [size, unit] of UNITS) if (ms >= size) return `${Number((ms / size).toPrecision(digits))}${GAP}${unit}`;
  return `${ms < 1 ? Number(ms.toFixed(2)) : Math.round(ms)}${GAP}ms`;
}

/** The time of day, with the day where that is another one. */
export function time(moment) {
  const at = new Date(moment);
  return at.toDateString() === new Date().toDateString() ? CLOCK.format(at) : DAY.format(at);
}

/** Seconds since 1970, as charts take times. */
export function seconds(moment) {
  return Date.parse(moment) / 1000;
}
