/** Feedback events from flat fields: what the envelope names stays there, the rest is the type's `feedback_value`. */

export const ENVELOPE = new Set([
  "feedback_id",
  "schema_version",
  "inference_request_id",
  "model_version",
  "model_name",
  "metric",
  "target",
  "user_context",
  "source",
  "occurred_at",
  "sent_at",
  "confidence",
  "pass_probability",
  "rationale",
  "supersedes",
  "episode_id",
  "step",
  "traceparent",
  "tags",
  "metadata",
]);

/**
 * @param {string} feedback_type
 * @param {Record<string, unknown>} fields
 * @returns {import("../feedback.js").FeedbackEvent}
 */
export function eventOf(feedback_type, fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const envelope = Object.fromEntries(given.filter(([name]) => ENVELOPE.has(name)));
  const feedback_value = Object.fromEntries(given.filter(([name]) => !ENVELOPE.has(name)));
  // @ts-expect-error the server judges what is missing, and says so by name
  return { ...envelope, feedback_type, feedback_value };
}
