// Reading the API with the page's own cookie.

/** The session has ended: its key was revoked or has expired, or somebody signed out. */
export class Ended extends Error {}

/** JSON of a path with a query; raises Ended, or Error where there is no answer or none to use. */
export async function read(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const answer = await fetch(`${path}?${new URLSearchParams(given)}`, { headers: { accept: "application/json" } });
  if (answer.status === 401 || answer.status === 403) throw new Ended(String(answer.status));
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** Calls `work` when asked, once at a time and not oftener than every `pause` ms; what is asked meanwhile comes after. */
export function throttled(work, pause) {
  let isBusy = false;
  let isWanted = false;
  return async function ask() {
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    try {
      await work();
    } finally {
      setTimeout(() => {
        isBusy = false;
        if (isWanted) {
          isWanted = false;
          ask();
        }
      }, pause);
    }
  };
}
