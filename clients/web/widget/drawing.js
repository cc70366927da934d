/** Elements and icons made node by node: text is only ever a text node, and nothing needs an inline style. */

const SVG = "http://www.w3.org/2000/svg";

/** Each icon is its own drawing on a 24 × 24 grid. @type {Record<string, string>} */
const ICONS = {
  up: "M7.5 11v9.5H4.2a.7.7 0 0 1-.7-.7v-8.1c0-.4.3-.7.7-.7zm0 0 3.9-7.3c1.6 0 2.6 1.2 2.3 2.8L13 10h5.6c1.3 0 2.2 1.2 1.9 2.4l-1.5 6.3a2.4 2.4 0 0 1-2.3 1.8H7.5",
  star: "m12 3.2 2.7 5.6 6.1.8-4.5 4.2 1.1 6.1L12 17l-5.4 2.9 1.1-6.1-4.5-4.2 6.1-.8z",
  pencil: "M4 20l.9-4L15.6 5.3a1.9 1.9 0 0 1 2.7 0l.4.4a1.9 1.9 0 0 1 0 2.7L8 19.1zm10-13 3 3",
  comment: "M4.5 5h15c.6 0 1 .4 1 1v9.5c0 .6-.4 1-1 1H11l-4.5 3.7v-3.7h-2c-.6 0-1-.4-1-1V6c0-.6.4-1 1-1z",
  check: "m5 12.5 4.5 4.5L19 7.5",
};

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [props] attributes, set where neither false nor absent; functions are listeners
 * @param {...(Node | string | null | undefined)} children strings become text nodes
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** @param {Record<string, any>} props @param {...(Node | string | null)} children */
export function button(props, ...children) {
  return el("button", { type: "button", ...props }, ...children);
}

/** @param {string} name of an icon; `down` is `up` turned round */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name === "down" ? "up" : name]);
  if (name === "down") path.setAttribute("transform", "rotate(180 12 12)");
  svg.append(path);
  return svg;
}

/** Marks buttons as chosen or not, and as closed to further choices without taking them from the keyboard. */
export const choices = {
  /** @param {Iterable<HTMLElement>} buttons @param {(button: HTMLElement) => boolean} isChosen @param {string} state */
  show(buttons, isChosen, state = "aria-pressed") {
    for (const each of buttons) each.setAttribute(state, String(isChosen(each)));
  },
  /** @param {Iterable<HTMLElement>} buttons @param {boolean} isLocked */
  lock(buttons, isLocked) {
    for (const each of buttons) each.setAttribute("aria-disabled", String(isLocked));
  },
};
