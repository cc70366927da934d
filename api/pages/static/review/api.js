// Changing things through the API with the page's own cookie and its token.

const TOKEN = document.getElementById("main").dataset.csrfToken;

/** An answer that is a problem: its status and code say which. */
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail ?? `answered ${status}`);
    this.status = status;
    this.code = told.code;
  }
}

/** The JSON of an answer; raises Problem, or TypeError where nobody answers. A page that is left still sends. */
export async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    keepalive: method === "POST",
    headers: { accept: "application/json", "content-type": "application/json", "x-csrf-token": TOKEN },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, told);
  return told;
}
