/** How the widget looks: the page's own font and colour, a few properties to set, and parts to style. */

const CSS = `
:host {
  display: block; color: inherit; font: inherit; line-height: 1.45;
  --_accent: var(--feedback-accent, #2456d6);
  --_on-accent: var(--feedback-on-accent, #fff);
  --_good: var(--feedback-good, #0f7a43);
  --_bad: var(--feedback-bad, #b42318);
  --_star: var(--feedback-star, #b26205);
  --_star-fill: var(--feedback-star-fill, var(--feedback-star, #f6b433));
  --_line: var(--feedback-line, color-mix(in srgb, currentColor 20%, transparent));
  --_edge: color-mix(in srgb, currentColor 55%, transparent);
  --_soft: var(--feedback-soft, color-mix(in srgb, currentColor 5%, transparent));
  --_muted: var(--feedback-muted, color-mix(in srgb, currentColor 72%, transparent));
  --_radius: var(--feedback-radius, 0.625rem);
  --_target: var(--feedback-target, 2.25rem);
  --_gap: var(--feedback-gap, 0.5rem);
}
@supports (color: light-dark(#000, #fff)) {
  :host {
    --_accent: var(--feedback-accent, light-dark(#2456d6, #a3bcff));
    --_on-accent: var(--feedback-on-accent, light-dark(#fff, #0c1533));
    --_good: var(--feedback-good, light-dark(#0f7a43, #6fd8a3));
    --_bad: var(--feedback-bad, light-dark(#b42318, #ffa096));
    --_star: var(--feedback-star, light-dark(#b26205, #f7bd4a));
    --_star-fill: var(--feedback-star-fill, var(--feedback-star, light-dark(#f6b433, #f7bd4a)));
  }
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }
@media (pointer: coarse) { :host { --_target: var(--feedback-target, 2.75rem); } }

.asks, .ask, .head, .row { display: flex; flex-wrap: wrap; align-items: center; gap: var(--_gap); }
.asks { column-gap: calc(2 * var(--_gap)); }
.ask.wide, .ask:has(.panel:not([hidden])), .panel, .pair { flex: 1 1 100%; min-width: 0; }
.row { column-gap: 0.25rem; }
.row.chips { column-gap: var(--_gap); }
.row.end { justify-content: flex-end; column-gap: var(--_gap); }
.row.stars { gap: 0; margin-inline-start: -0.35rem; }
.question { color: var(--_muted); margin-inline-end: 0.25rem; }
.wide > .head > .question { flex: 1 1 100%; font-weight: 600; color: inherit; }

button {
  font: inherit; color: inherit; background: none; border: 1px solid transparent; border-radius: var(--_radius);
  min-height: var(--_target); padding: 0 0.75em; margin: 0; cursor: pointer; touch-action: manipulation;
  display: inline-flex; align-items: center; justify-content: center; gap: 0.45em; text-align: start;
}
button:hover { background: var(--_soft); }
button:focus-visible, textarea:focus-visible {
  outline: 2px solid var(--feedback-focus, var(--_accent)); outline-offset: 2px;
}
button[aria-disabled="true"] { cursor: default; }
button[aria-disabled="true"]:not([aria-pressed="true"], [aria-checked="true"], .on, .chosen) { opacity: 0.5; }
button[aria-disabled="true"]:hover { background: none; }
svg {
  inline-size: 1.25em; block-size: 1.25em; flex: none; fill: none; stroke: currentColor; stroke-width: 1.6;
  stroke-linejoin: round; stroke-linecap: round;
}

.icon { inline-size: var(--_target); padding: 0; border-radius: 50%; color: var(--_muted); }
.icon:hover { color: inherit; }
.good, .bad { border-color: var(--_line); }
.good { --_tone: var(--_good); }
.bad { --_tone: var(--_bad); }
.icon[aria-pressed="true"] {
  color: var(--_tone); border-color: var(--_tone); background: color-mix(in srgb, var(--_tone) 12%, transparent);
}
.icon[aria-pressed="true"] svg { fill: color-mix(in srgb, var(--_tone) 30%, transparent); }
.star svg { inline-size: 1.5em; block-size: 1.5em; }
button.star:hover { background: none; }
.star { color: var(--_edge); inline-size: calc(var(--_target) - 0.5rem); }
.star.on, .star:not([aria-disabled="true"]):hover,
.stars:hover .star:not([aria-disabled="true"]):has(~ .star:hover) { color: var(--_star); }
.star.on svg { fill: var(--_star-fill); }
.stars:hover .star.on:not([aria-disabled="true"]):not(:hover, :has(~ .star:hover)) svg { fill-opacity: 0.35; }

.chip { border-color: var(--_edge); }
.chip[aria-pressed="true"], .chip[aria-checked="true"], .choose[aria-pressed="true"] {
  color: var(--_accent); border-color: var(--_accent); background: color-mix(in srgb, var(--_accent) 10%, transparent);
}
.quiet { color: var(--_muted); }
.opener { margin-inline-start: -0.75em; }
.quiet:hover { color: inherit; }
.quiet.chosen { color: var(--_good); }
.primary { background: var(--_accent); color: var(--_on-accent); font-weight: 600; padding-inline: 1.1em; }
.primary:hover { background: color-mix(in srgb, var(--_accent) 88%, currentColor); }

.panel { display: flex; flex-direction: column; gap: var(--_gap); padding-block-start: 0.25rem; }
.panel label { font-weight: 600; }
textarea {
  font: inherit; color: inherit; background: var(--feedback-field, transparent); box-sizing: border-box;
  inline-size: 100%; min-block-size: 4.5em; max-block-size: 60vh; field-sizing: content; resize: vertical;
  padding: 0.6em 0.75em; border: 1px solid var(--_edge); border-radius: var(--_radius);
}
textarea[aria-invalid="true"] { border-color: var(--_bad); }
.fault { margin: 0; color: var(--_bad); }
.fault:empty { display: none; }

.pair { display: flex; flex-direction: column; gap: var(--_gap); }
.pair > .row { justify-content: center; }
.cards { display: flex; flex-wrap: wrap; gap: calc(1.5 * var(--_gap)); }
.card {
  flex: 1 1 16rem; min-inline-size: 0; display: flex; flex-direction: column; gap: var(--_gap); box-sizing: border-box;
  padding: 0.9rem; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_soft);
}
.card.chosen { border-color: var(--_accent); box-shadow: inset 0 0 0 1px var(--_accent); }
.card:not(:has(.content)) { padding: 0; border: 0; background: none; box-shadow: none; }
.name { font-weight: 600; font-size: 0.875em; color: var(--_muted); }
.content { flex: 1; white-space: pre-wrap; overflow-wrap: anywhere; }
.choose { inline-size: 100%; border-color: var(--_edge); }
.choose svg { display: none; }
.choose[aria-pressed="true"] svg { display: block; }

.said { display: inline-flex; align-items: center; gap: 0.25rem; color: var(--_muted); }
.said.bad { color: var(--_bad); }
.wide .said { flex: 1 1 100%; justify-content: center; }
.undo { color: var(--_accent); position: relative; padding-inline: 0.5em; min-block-size: 2rem; font-weight: 600; }
.undo::after {
  content: ""; position: absolute; inset-inline: 0.5em; inset-block-end: 0.3em; block-size: 2px; border-radius: 1px;
  background: currentColor; transform-origin: left;
}
:dir(rtl) .undo::after { transform-origin: right; }
.undo:hover::after, .undo:focus-visible::after { animation: none !important; }

@media (prefers-reduced-motion: no-preference) {
  button, .card { transition: color 120ms, background-color 120ms, border-color 120ms, opacity 120ms; }
  .icon:active:not([aria-disabled="true"]) { transform: scale(0.92); }
  .icon[aria-pressed="true"] svg, .star.on svg { animation: chosen 220ms ease-out; }
  .undo::after { animation: left var(--_undo-s, 6s) linear forwards; }
}
@keyframes chosen { 40% { transform: scale(1.22); } }
@keyframes left { to { transform: scaleX(0); } }
@media (prefers-contrast: more) { :host { --_line: currentColor; --_edge: currentColor; --_muted: currentColor; } }
@media (forced-colors: active) {
  button { border-color: ButtonText; }
  [aria-pressed="true"], [aria-checked="true"] {
    forced-color-adjust: none; background: Highlight; color: HighlightText;
  }
  .star.on svg { fill: Highlight; stroke: Highlight; }
}
`;

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** The one sheet that all widgets of a page share; not an inline style, so a strict policy allows it. */
export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
