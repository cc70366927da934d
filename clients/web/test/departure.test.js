/** Leaving the page loses nothing: what fits leaves by keepalive, held or not; the rest waits for the next page. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEEPALIVE_BYTES } from "../client/wire.js";
import { FeedbackClient } from "../feedback.js";
import { FakeBrowser, FakeStorage, OPTIONS, offline, storing, thumb } from "./fake_browser.js";

const LIMIT = 64 * 1024;

function client(browser, options = {}) {
  return new FeedbackClient({ ...OPTIONS, onRefused: () => {}, ...options }, browser);
}

/** An API that does not answer. */
function silent() {
  return new Promise(() => {});
}

test("a held event is sent when it is released", async () => {
  const browser = new FakeBrowser();
  const sender = client(browser);
  const sent = sender.send(thumb({ feedback_id: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d" }), { hold: true });
  await browser.pass(60_000);
  assert.equal(browser.requests.length, 0);

  sender.release("0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d");

  assert.equal((await sent).status, "accepted");
});

test("a held event that is cancelled never leaves, and nothing of it stays", async () => {
  const browser = new FakeBrowser();
  const sender = client(browser);
  const sent = sender.send(thumb({ feedback_id: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d" }), { hold: true });

  const isCancelled = sender.cancel("0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d");
  browser.hide();
  await browser.pass(60_000);

  assert.equal(isCancelled, true);
  assert.equal((await sent).status, "cancelled");
  assert.equal(browser.requests.length, 0);
  assert.equal(browser.localStorage.events().length, 0);
});

test("an event that may have left cannot be cancelled", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser);
  sender.send(thumb({ feedback_id: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d" }));
  await browser.pass(0);

  assert.equal(sender.cancel("0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d"), false);
});

test("a hidden page sends what it holds, by keepalive", async () => {
  const browser = new FakeBrowser();
  const sender = client(browser);
  sender.send(thumb(), { hold: true });
  sender.send(thumb(), { hold: true });

  browser.hide();

  assert.equal(browser.requests.length, 1);
  assert.equal(browser.requests[0].keepalive, true);
  assert.equal(browser.sent(0).events.length, 2);
});

test("a hidden page does not wait for a backoff: it may be the last chance", async () => {
  const browser = new FakeBrowser({ api: offline });
  client(browser).send(thumb());
  await browser.pass(500);

  browser.hide();

  assert.equal(browser.requests.length, 2);
});

test("what a page sends while it is hidden leaves at once", async () => {
  const browser = new FakeBrowser();
  const sender = client(browser);
  browser.hide();

  sender.send(thumb());

  assert.equal(browser.requests.length, 1);
});

test("keepalive bodies under way never exceed the browser's 64 KiB, and the rest stays in the spool", async () => {
  const browser = new FakeBrowser({ api: silent });
  const sender = client(browser);
  for (let i = 0; i < 30; i++) sender.send(thumb({ rationale: "é".repeat(2000) }), { hold: true });

  browser.hide();

  const alive = browser.requests.filter((request) => request.keepalive);
  const bytes = alive.reduce((sum, request) => sum + new TextEncoder().encode(request.body).length, 0);
  const sentIds = alive.flatMap((request) => JSON.parse(request.body).events.map((event) => event.feedback_id));
  assert.equal(alive.length, browser.requests.length);
  assert.ok(bytes <= KEEPALIVE_BYTES && KEEPALIVE_BYTES < LIMIT, `${bytes}`);
  assert.ok(sentIds.length >= 10, `${sentIds.length}`);
  assert.equal(browser.localStorage.events().length, 30);
});

test("a request that is under way counts against the budget of the leaving", async () => {
  const browser = new FakeBrowser({ api: silent });
  const sender = client(browser);
  sender.send(thumb({ rationale: "x".repeat(50 * 1024) }));
  sender.send(thumb({ rationale: "x".repeat(20 * 1024) }));
  sender.send(thumb({ rationale: "x".repeat(1024) }));
  await browser.pass(0);

  browser.hide();

  const alive = browser.requests.filter((request) => request.keepalive);
  assert.deepEqual(
    alive.map((request) => Math.round(request.body.length / 1024)),
    [50, 1],
  );
});

test("an event larger than the budget is sent without keepalive while the page is seen", async () => {
  const browser = new FakeBrowser();

  const outcome = await client(browser).send(thumb({ rationale: "x".repeat(100 * 1024) }));

  assert.equal(outcome.status, "accepted");
  assert.equal(browser.requests[0].keepalive, false);
});

test("where the page's own code has used the budget up, the next attempt goes without keepalive", async () => {
  const store = storing();
  const browser = new FakeBrowser({ api: (request) => (request.keepalive ? offline() : store(request)) });
  const sent = client(browser).send(thumb());

  await browser.pass(2000);

  assert.equal((await sent).status, "accepted");
});

test("what a page left unsent, the next one sends under the same id", async () => {
  const storage = new FakeStorage();
  const gone = new FakeBrowser({ api: offline, storage });
  client(gone).send(thumb({ inference_request_id: "req-9" }));
  await gone.pass(100);
  gone.dispatchEvent(new Event("pagehide"));

  const next = new FakeBrowser({ storage });
  client(next);
  await next.pass(0);

  assert.equal(next.sent(0).feedback_id, gone.sent(0).feedback_id);
  assert.equal(next.requests[0].body, gone.requests[0].body);
  assert.equal(storage.events().length, 0);
});

test("what a page left when the machine died, the next one sends once the lease has run out", async () => {
  const storage = new FakeStorage();
  const dead = new FakeBrowser({ api: offline, storage });
  client(dead).send(thumb());
  await dead.pass(0);

  const next = new FakeBrowser({ storage, nowMs: dead.nowMs + 1000 });
  client(next);
  await next.pass(5_000);
  assert.equal(next.requests.length, 0);
  await next.pass(40_000);

  assert.equal(next.requests.length, 1);
});

test("what a live page holds is not sent by another page", async () => {
  const storage = new FakeStorage();
  const holding = new FakeBrowser({ storage });
  const other = new FakeBrowser({ storage });
  client(holding).send(thumb(), { hold: true });
  client(other);

  for (let s = 0; s < 120; s++) {
    await holding.pass(1000);
    await other.pass(1000);
  }

  assert.equal(other.requests.length, 0);
});

test("an entry that somebody has damaged is refused by name, and gone", async () => {
  const storage = new FakeStorage();
  storage.setItem("feedback:mine:event:tab:0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d", "{");
  const codes = [];

  client(new FakeBrowser({ storage }), { spool: "mine", onRefused: ({ code }) => codes.push(code) });
  await Promise.resolve();

  assert.deepEqual(codes, ["spool-damaged"]);
  assert.equal(storage.events().length, 0);
});

test("the spool never holds the key's secret, and can be switched off", async () => {
  const kept = new FakeBrowser({ api: offline });
  const off = new FakeBrowser({ api: offline });

  client(kept).send(thumb());
  client(off, { spool: false }).send(thumb());

  const everything = [...kept.localStorage.entries].flat().join();
  assert.ok(everything.includes("req-1"));
  assert.ok(!everything.includes("secret"));
  assert.equal(off.localStorage.length, 0);
});

test("a page whose storage is forbidden still sends", async () => {
  const browser = new FakeBrowser();
  Object.defineProperty(browser, "localStorage", {
    get() {
      throw new DOMException("no", "SecurityError");
    },
  });

  assert.equal((await client(browser).send(thumb())).status, "accepted");
});

test("a thousand pages do not come back in the same moment", async () => {
  const at = new Set();
  for (let i = 0; i < 50; i++) {
    const browser = new FakeBrowser({ api: offline });
    browser.Math = { random: Math.random };
    client(browser).send(thumb());
    await browser.pass(0);
    browser.api = () => (at.add(browser.nowMs), silent());
    await browser.pass(1100);
  }

  assert.ok(at.size > 20, `${at.size}`);
});

test("a closed client has no timers and no listeners", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser);
  sender.send(thumb());
  await browser.pass(0);

  sender.close();
  const before = browser.requests.length;
  browser.show();
  browser.dispatchEvent(new Event("online"));
  await browser.pass(10 * 60_000);

  assert.equal(browser.timers.size, 0);
  assert.equal(browser.requests.length, before);
});
