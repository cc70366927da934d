/** The controls by the kind of widget that `GET /v1/feedback-types` names; a page may add its own. */

import { choice } from "./choice.js";
import { pair } from "./pair.js";
import { stars } from "./stars.js";
import { textBox } from "./text_box.js";
import { thumbs } from "./thumbs.js";

/** @type {Map<string, import("../../widget.js").DrawControl>} */
export const CONTROLS = new Map([
  ["thumbs", thumbs],
  ["stars", stars],
  ["text_edit", textBox],
  ["text", textBox],
  ["pair", pair],
  ["choice", choice],
]);
