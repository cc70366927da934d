// Pictures in an item, drawn on a canvas: of bytes that came with it or of numbers in rows. Nothing is ever fetched.

import { h } from "/static/dashboard/dom.js";

const BYTES = /^data:(image\/(?:png|jpeg|webp|gif));base64,([A-Za-z0-9+/]+={0,2})$/;
const FEWEST = 4;

/** The element for a picture, or null where the value is none; `name` is the member that holds it. */
export function picture(value, name = "") {
  const bytes = typeof value === "string" ? BYTES.exec(value) : null;
  if (bytes) return ofBytes(bytes[1], bytes[2]);
  const rows = rowsOf(value, name);
  return rows ? ofNumbers(rows) : null;
}

function ofBytes(type, text) {
  const canvas = h("canvas", { role: "img", "aria-label": "Picture in the item" });
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  createImageBitmap(new Blob([bytes], { type }))
    .then((bitmap) => {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
    })
    .catch(() => canvas.replaceWith(h("p", { class: "empty" }, "A picture that cannot be shown.")));
  return canvas;
}

/** Rows of grey values: rows of equally many numbers, or of `pixels` that are one square after another. */
function rowsOf(value, name) {
  if (!Array.isArray(value) || value.length < FEWEST) return null;
  if (value.every((row) => Array.isArray(row) && row.length === value[0].length && row.length >= FEWEST && row.every(Number.isFinite))) {
    return value;
  }
  const side = Math.sqrt(value.length);
  if (name !== "pixels" || !Number.isInteger(side) || side < FEWEST || !value.every(Number.isFinite)) return null;
  return Array.from({ length: side }, (_, row) => value.slice(row * side, (row + 1) * side));
}

function ofNumbers(rows) {
  const canvas = h("canvas", { class: "pixels", role: "img", "aria-label": "Picture in the item", width: rows[0].length, height: rows.length });
  const all = rows.flat();
  const low = all.reduce((a, b) => Math.min(a, b));
  const span = all.reduce((a, b) => Math.max(a, b)) - low || 1;
  const grey = Uint8ClampedArray.from(all.flatMap((one) => [...Array(3).fill(((one - low) / span) * 255), 255]));
  canvas.getContext("2d").putImageData(new ImageData(grey, rows[0].length, rows.length), 0, 0);
  return canvas;
}
