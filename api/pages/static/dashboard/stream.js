// One event stream, kept open: opened again when it breaks or falls silent, given up when the session has ended.

import { Ended, read } from "./api.js";

const SILENT_MS = 15_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;

/** Tells each message of `path` to `onMessage`, and to `onState`: "live", "away" or "ended". */
export function watch(path, onMessage, onState) {
  let source = null;
  let pause = FIRST_PAUSE_MS;
  let waiting = 0;

  function open() {
    source?.close();
    source = new EventSource(`${path}/stream`);
    source.addEventListener("message", ({ data }) => {
      pause = FIRST_PAUSE_MS;
      expect();
      onState("live");
      onMessage(JSON.parse(data));
    });
    source.addEventListener("error", () => broken());
    expect();
  }

  function expect() {
    clearTimeout(waiting);
    waiting = setTimeout(broken, SILENT_MS);
  }

  async function broken() {
    clearTimeout(waiting);
    source.close();
    onState("away");
    try {
      await read(path);
    } catch (error) {
      if (error instanceof Ended) {
        onState("ended");
        return;
      }
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
    waiting = setTimeout(open, pause);
  }

  open();
}
