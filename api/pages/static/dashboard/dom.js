// Building elements without HTML text: what people wrote can never become markup.

/** An element with attributes (a function is a listener, null and false are left out) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Puts `children` in place of what `id` holds, unless they look the same: what a reader points at stays. */
export function show(id, ...children) {
  const host = document.getElementById(id);
  const fresh = h("div", {}, ...children);
  if (host.innerHTML !== fresh.innerHTML) host.replaceChildren(...fresh.childNodes);
}

/** A table; each row is a list of cells (text or an element), the first one names the row. */
export function table(caption, heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        {},
        rows.map(([first, ...cells]) =>
          h("tr", {}, h("th", { scope: "row" }, first), cells.map((cell) => h("td", {}, cell))),
        ),
      ),
    ),
  );
}

/** The figures of a chart as a table, closed until somebody wants it, and then kept open. */
export function figures(id, caption, heads, rows) {
  const host = document.getElementById(id);
  if (!host.firstChild) {
    host.append(h("details", { class: "figures" }, h("summary", {}, "Show as a table"), h("div")));
    host.firstChild.addEventListener("toggle", () => host.fill());
  }
  host.fill = () => {
    const [details] = host.children;
    if (details.open) details.lastChild.replaceChildren(table(caption, heads, rows()));
  };
  host.fill();
}

/** What stands where there is nothing to show yet. */
export function nothing(said, ...more) {
  return h("p", { class: "empty" }, said, ...more);
}
