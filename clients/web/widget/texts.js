/** What the widget says. A page gives other words by language, for one widget, or for one question. */

/** @type {Record<string, string>} */
export const ENGLISH = {
  thumbs_question: "Was this helpful?",
  thumbs_up: "Yes, it was helpful",
  thumbs_down: "No, it was not helpful",
  why_label: "What was wrong?",
  stars_question: "How good was this?",
  stars_star: "{n} of {max}",
  text_edit_open: "Suggest a correction",
  text_edit_label: "What should it have said?",
  text_open: "Add a comment",
  text_label: "Your comment",
  pair_question: "Which answer is better?",
  pair_name: "Answer {letter}",
  pair_choose: "{name} is better",
  pair_tie: "About the same",
  choice_question: "What should it have been?",
  send: "Send",
  cancel: "Cancel",
  undo: "Undo",
  thanks: "Thank you.",
  undone: "Taken back.",
  waiting: "Not sent yet: waiting for the network.",
  refused: "This could not be saved.",
  unchanged: "Change the text first.",
  empty: "Write something first.",
};

/**
 * @param {Element} element its language is the nearest `lang` attribute
 * @param {Record<string, Record<string, string>>} languages texts by language tag, `de` or `de-AT`
 * @param {...Record<string, string> | undefined} own later ones win
 * @returns {(name: string, values?: Record<string, string | number>) => string} empty where no text has the name
 */
export function speaker(element, languages, ...own) {
  const tag = (element.closest("[lang]")?.getAttribute("lang") ?? document.documentElement.lang).toLowerCase();
  const byTag = Object.fromEntries(Object.entries(languages).map(([name, texts]) => [name.toLowerCase(), texts]));
  const texts = Object.assign({}, ENGLISH, byTag[tag.split("-")[0]], byTag[tag], ...own);
  return (name, values = {}) =>
    Object.entries(values).reduce(
      (text, [key, value]) => text.replaceAll(`{${key}}`, () => String(value)),
      texts[name] ?? "",
    );
}
