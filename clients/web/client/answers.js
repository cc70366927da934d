/** Reads what the server answered: stored, refused, or send again; an answer that is not the server's is neither. */

/** @typedef {import("../feedback.js").Outcome} Outcome */
/** @typedef {{outcomes: (Outcome | null)[], retryAfterMs: number}} Verdicts null stands for "send it again" */

const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);
const LONGEST_WAIT_MS = 15 * 60_000;

/**
 * @param {import("./wire.js").Answer | undefined} answer undefined: the network failed and the outcome is unknown
 * @param {string[]} ids the events sent, in order
 * @param {number} nowMs
 * @returns {Verdicts}
 */
export function verdicts(answer, ids, nowMs) {
  if (!answer) return { outcomes: ids.map(() => null), retryAfterMs: 0 };
  const retryAfterMs = waitOf(answer.headers.get("retry-after"), nowMs);
  const { status, body } = answer;
  const isOk = status >= 200 && status < 300;
  if (!isOk) return { outcomes: ids.map((id) => refused(id, status, body)), retryAfterMs };
  const results = ids.length === 1 && body?.feedback_id ? [{ index: 0, ...body }] : body?.results;
  const isOurs = Array.isArray(results) && results.length === ids.length && results.every(isFor(ids));
  if (!isOurs) return { outcomes: ids.map(() => null), retryAfterMs }; // a captive portal or a proxy also says 200
  return { outcomes: ids.map((id, i) => outcomeOf(id, results[i])), retryAfterMs };
}

/**
 * What this client refuses itself.
 * @param {string} feedback_id
 * @param {string} code
 * @returns {import("../feedback.js").Refusal}
 */
export function refusal(feedback_id, code) {
  return { status: "refused", feedback_id, code, errors: [] };
}

/** @param {string[]} ids */
function isFor(ids) {
  return (/** @type {any} */ result, /** @type {number} */ i) =>
    result?.index === i &&
    (result.feedback_id === undefined ? result.status === "refused" : result.feedback_id === ids[i]);
}

/** @param {string} feedback_id @param {any} result @returns {Outcome | null} */
function outcomeOf(feedback_id, result) {
  const { status, offset, received_at, code, errors = [], retryable = false } = result;
  if (status === "accepted" || status === "duplicate") return { status, feedback_id, offset, received_at };
  if (retryable) return null;
  return { status: status === "conflict" ? "conflict" : "refused", feedback_id, code: code ?? "refused", errors };
}

/**
 * @param {string} feedback_id
 * @param {number} status
 * @param {any} body a problem (RFC 9457), or a proxy's page
 * @returns {Outcome | null}
 */
function refused(feedback_id, status, body) {
  const isProblem = typeof body?.code === "string";
  if (isProblem && typeof body.retryable === "boolean" ? body.retryable : AGAIN.has(status)) return null;
  const { code = `http-${status}`, errors = [], detail } = isProblem ? body : {};
  return { status: status === 409 ? "conflict" : "refused", feedback_id, code, errors, detail, http_status: status };
}

/**
 * Milliseconds that a Retry-After header asks for.
 * @param {string | null} text seconds, or a date
 * @param {number} nowMs
 */
export function waitOf(text, nowMs) {
  if (!text) return 0;
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_WAIT_MS) : 0;
}
