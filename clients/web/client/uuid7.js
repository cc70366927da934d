/** Makes UUIDs of version 7 (RFC 9562), in order: a later id of the same page sorts after an earlier one. */

const COUNTER_MAX = 0xfff;

/**
 * @param {{now?: () => number, fill?: (bytes: Uint8Array) => Uint8Array}} [sources] milliseconds since 1970; randomness
 * @returns {() => string} a maker of ids, canonical lower-case text
 */
export function uuid7Maker({ now = Date.now, fill = (bytes) => crypto.getRandomValues(bytes) } = {}) {
  let lastMs = -1;
  let counter = 0;
  return () => {
    const bytes = fill(new Uint8Array(16));
    const nowMs = Math.floor(now());
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = ((bytes[6] << 8) | bytes[7]) & 0x7ff; // the top bit stays free, so that there is room to count
    } else if (++counter > COUNTER_MAX) {
      lastMs += 1; // more than the counter holds in one millisecond, or a clock set back: borrow from the next
      counter = 0;
    }
    for (let i = 0, rest = lastMs; i < 6; i++, rest = Math.floor(rest / 256)) bytes[5 - i] = rest % 256;
    bytes[6] = 0x70 | (counter >> 8);
    bytes[7] = counter & 0xff;
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    return format(bytes);
  };
}

/** @param {Uint8Array} bytes */
function format(bytes) {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export const newFeedbackId = uuid7Maker();

/** When a UUIDv7 was made, in milliseconds since 1970; undefined for another id. @param {string} id */
export function madeAt(id) {
  return id[14] === "7" ? parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
