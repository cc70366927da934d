/** Watches the page: when it may be gone in a moment, when it is seen again or online, and that it is still alive. */

/**
 * @param {any} browser
 * @param {{depart: () => void, arrive: () => void, beat: () => void}} told
 * @param {number} beatMs
 * @returns {() => void} ends the watch
 */
export function watchPage(browser, { depart, arrive, beat }, beatMs) {
  const { document } = browser;
  /** @type {[EventTarget | undefined, string, () => void][]} */
  const listeners = [
    // The last event that every browser fires, phones included; beforeunload and unload are not.
    [document, "visibilitychange", () => (document.visibilityState === "hidden" ? depart() : arrive())],
    [browser, "pagehide", depart],
    [browser, "pageshow", arrive],
    [browser, "online", arrive],
  ];
  for (const [target, name, listener] of listeners) target?.addEventListener?.(name, listener);
  const timer = browser.setInterval(beat, beatMs);
  return () => {
    for (const [target, name, listener] of listeners) target?.removeEventListener?.(name, listener);
    browser.clearInterval(timer);
  };
}
