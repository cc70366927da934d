/** Asks the API which feedback types there are, and how a person is asked for each. */

/** What is wrong when the feedback types cannot be had; `code` is the API's, or `network`. */
export class FeedbackUnavailable extends Error {
  /** @param {string} code */
  constructor(code) {
    super(`the feedback API does not say its feedback types: ${code}`);
    this.name = "FeedbackUnavailable";
    this.code = code;
  }
}

/**
 * @param {import("./wire.js").Wire} wire
 * @returns {Promise<import("../feedback.js").FeedbackType[]>} rejects with FeedbackUnavailable
 */
export async function askForTypes(wire) {
  const answer = await wire.get("/v1/feedback-types").catch(() => undefined);
  const types = answer?.status === 200 ? answer.body?.feedback_types : undefined;
  if (Array.isArray(types)) return types;
  throw new FeedbackUnavailable(answer ? (answer.body?.code ?? `http-${answer.status}`) : "network");
}
