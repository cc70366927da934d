/** What a page may rely on: stored or named as refused, the same id on every attempt, bounds, patience. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Queue } from "../client/queue.js";
import { FeedbackClient, FeedbackUnavailable } from "../feedback.js";
import { FakeBrowser, OPTIONS, offline, problem, reply, settled, storing, thumb } from "./fake_browser.js";

function client(browser, options = {}) {
  return new FeedbackClient({ ...OPTIONS, ...options }, browser);
}

test("an event is posted with the key in a header, without cookies, to outlive the page", async () => {
  const browser = new FakeBrowser();

  const outcome = await client(browser).thumb({ inference_request_id: "req-1", model_version: "m-1", positive: true });

  const [request] = browser.requests;
  assert.equal(request.url, "https://api.test/v1/feedback");
  assert.equal(request.headers.Authorization, `Bearer ${OPTIONS.key}`);
  assert.equal(request.headers["Content-Type"], "application/json");
  assert.equal(request.credentials, "omit");
  assert.equal(request.keepalive, true);
  assert.deepEqual([outcome.status, outcome.offset, outcome.feedback_id], ["accepted", 1, browser.sent(0).feedback_id]);
});

const SHORT_FORMS = {
  thumb: [{ positive: false, comment: "No." }, "explicit_binary"],
  rating: [{ score: 4 }, "explicit_rating"],
  correction: [{ corrected_text: "It opens at 9." }, "explicit_correction"],
  preference: [{ preferred_output_id: "A", rejected_output_id: "B" }, "preference_pair"],
  click: [{ item_id: "doc-7", position: 0 }, "implicit_click"],
  retract: [{ retracts: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d" }, "retraction"],
};
for (const [name, [value, feedback_type]] of Object.entries(SHORT_FORMS)) {
  test(`${name}() puts the value's fields into feedback_value and the others into the envelope`, async () => {
    const browser = new FakeBrowser();
    const envelope = { inference_request_id: "req-1", model_version: "m-1", user_context: { user_tier: "pro" } };

    await client(browser)[name]({ ...envelope, ...value, tags: undefined });

    const { feedback_id, occurred_at, ...event } = browser.sent(0);
    assert.deepEqual(event, { ...envelope, feedback_type, feedback_value: value });
    assert.equal(occurred_at, "2027-01-15T08:00:00.000Z");
  });
}

test("defaults are fields of every event, and an event's own fields win", async () => {
  const browser = new FakeBrowser();
  const defaults = { model_name: "writer", tags: { page: "help" } };

  await client(browser, { defaults }).send(thumb({ tags: { page: "home" } }));

  assert.equal(browser.sent(0).model_name, "writer");
  assert.deepEqual(browser.sent(0).tags, { page: "home" });
});

test("an attempt that failed is repeated with the same bytes, and a known event counts as stored", async () => {
  const store = storing();
  const browser = new FakeBrowser({ api: (request) => (store(request), offline()) });
  const sent = client(browser).send(thumb());
  await browser.pass(0);

  browser.api = store;
  await browser.pass(2000);

  assert.equal((await sent).status, "duplicate");
  assert.equal(browser.requests[0].body, browser.requests[1].body);
  assert.equal(store.seen.size, 1);
});

test("Retry-After in seconds is waited for, with some jitter after it", async () => {
  const browser = new FakeBrowser({
    api: () => problem(503, "overloaded", { retryable: true, headers: { "Retry-After": "7" } }),
  });
  client(browser).send(thumb());

  await browser.pass(7_400);
  assert.equal(browser.requests.length, 1);
  await browser.pass(200);
  assert.equal(browser.requests.length, 2);
});

test("Retry-After as a date is waited for", async () => {
  const browser = new FakeBrowser();
  const at = new Date(browser.nowMs + 20_000).toUTCString();
  browser.api = () => problem(429, "quota-exceeded", { retryable: true, headers: { "Retry-After": at } });
  client(browser).send(thumb());

  await browser.pass(19_000);
  assert.equal(browser.requests.length, 1);
  await browser.pass(2_000);
  assert.equal(browser.requests.length, 2);
});

test("neither coming back to the page nor to the network shortens what the server asked for", async () => {
  const api = () => problem(429, "quota-exceeded", { retryable: true, headers: { "Retry-After": "60" } });
  const browser = new FakeBrowser({ api });
  client(browser).send(thumb());
  await browser.pass(1000);

  browser.dispatchEvent(new Event("online"));
  browser.show();
  await browser.pass(30_000);

  assert.equal(browser.requests.length, 1);
});

test("without Retry-After attempts grow rarer, up to a minute apart", async () => {
  const browser = new FakeBrowser({ api: offline });
  const at = [];
  client(browser).send(thumb());
  browser.api = () => (at.push(browser.nowMs), offline());

  await browser.pass(10 * 60_000);

  const gaps = at.slice(1).map((ms, i) => ms - at[i]);
  assert.deepEqual(gaps.slice(0, 6), [1500, 3000, 6000, 12_000, 24_000, 45_000]);
  assert.ok(gaps.every((gap) => gap <= 60_000));
});

test("an API that stays silent is told to the page's developer once, with what may be wrong", async () => {
  const browser = new FakeBrowser({ api: offline });
  client(browser).send(thumb());

  await browser.pass(10 * 60_000);

  assert.equal(browser.complaints.length, 1);
  assert.match(browser.complaints[0][0], /origin/);
});

test("when the network is back the next attempt comes within a second", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sent = client(browser).send(thumb());
  await browser.pass(5 * 60_000);

  browser.api = storing();
  browser.dispatchEvent(new Event("online"));
  await browser.pass(1000);

  assert.equal((await sent).status, "accepted");
});

test("a refusal is told with its code and fields, once, and nothing is kept", async () => {
  const errors = [{ pointer: "/feedback_value/score", code: "out-of-range" }];
  const browser = new FakeBrowser({ api: () => problem(422, "validation-failed", { errors }) });
  const refused = [];
  const sender = client(browser, { onRefused: (refusal, event) => refused.push([refusal, event]) });

  const outcome = await sender.send(thumb());
  await browser.pass(60_000);

  assert.deepEqual([outcome.status, outcome.code, outcome.errors], ["refused", "validation-failed", errors]);
  assert.equal(refused.length, 1);
  assert.equal(refused[0][1].inference_request_id, "req-1");
  assert.equal(browser.requests.length, 1);
  assert.equal(browser.localStorage.events().length, 0);
});

test("without onRefused the console says what was refused", async () => {
  const browser = new FakeBrowser({ api: () => problem(403, "forbidden") });

  await client(browser).send(thumb());

  assert.match(browser.complaints[0][0], /refused: forbidden/);
});

test("another content under a known id is a conflict, and told", async () => {
  const browser = new FakeBrowser({ api: () => problem(409, "feedback-id-conflict") });

  const outcome = await client(browser, { onRefused: () => {} }).send(thumb());

  assert.deepEqual([outcome.status, outcome.code], ["conflict", "feedback-id-conflict"]);
});

test("a page's function that throws does not stop the queue", async () => {
  const browser = new FakeBrowser({ api: () => problem(422, "validation-failed") });
  const sender = client(browser, {
    onRefused: () => {
      throw new Error("the page's own");
    },
  });

  await sender.send(thumb());
  browser.api = storing();
  await settled();

  assert.equal((await sender.send(thumb())).status, "accepted");
  assert.deepEqual(browser.complaints, [["the page's own"]]);
});

for (const [what, answer] of Object.entries({
  "a captive portal's page": () => reply(200, "<html>Sign in</html>"),
  "another event's receipt": () =>
    reply(201, { feedback_id: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d", status: "accepted" }),
  "an answer of null": () => reply(200, null),
  "a gateway's 502": () => reply(502, "<html>Bad gateway</html>"),
})) {
  test(`${what} is no receipt: the event is sent again`, async () => {
    const browser = new FakeBrowser({ api: answer });
    const sent = client(browser).send(thumb());
    await browser.pass(0);

    browser.api = storing();
    await browser.pass(2000);

    assert.equal((await sent).offset, 1);
    assert.equal(browser.requests.length, 2);
  });
}

test("a proxy's refusal is told by its status", async () => {
  const browser = new FakeBrowser({ api: () => reply(404, "<html>Not found</html>") });

  const outcome = await client(browser, { onRefused: () => {} }).send(thumb());

  assert.deepEqual([outcome.status, outcome.code], ["refused", "http-404"]);
});

test("what waits goes together, and each event has its own outcome", async () => {
  const browser = new FakeBrowser({ api: offline });
  const refused = [];
  const sender = client(browser, { onRefused: (refusal) => refused.push(refusal.code) });
  const sent = [1, 2, 3, 4].map((n) => sender.send(thumb({ inference_request_id: `req-${n}` })));
  await browser.pass(0);
  const asked = [];
  browser.api = (request) => {
    const { events } = JSON.parse(request.body);
    asked.push(events.length);
    if (events.length === 4) {
      return reply(207, {
        results: [
          { index: 0, feedback_id: events[0].feedback_id, status: "accepted", offset: 7 },
          { index: 1, status: "refused", code: "validation-failed", retryable: false, errors: [] },
          { index: 2, feedback_id: events[2].feedback_id, status: "conflict", code: "feedback-id-conflict" },
          { index: 3, feedback_id: events[3].feedback_id, status: "refused", code: "storage-full", retryable: true },
        ],
      });
    }
  };

  await browser.pass(2000);
  browser.api = storing();
  await browser.pass(4000);

  const outcomes = await Promise.all(sent);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["accepted", "refused", "conflict", "accepted"],
  );
  assert.deepEqual(refused, ["validation-failed", "feedback-id-conflict"]);
  assert.deepEqual(asked, [4]);
});

test("a batch that is refused as a whole is sent one by one, so that a bad event harms no neighbour", async () => {
  const store = storing();
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser, { onRefused: () => {} });
  const sent = ["good-1", "bad", "good-2"].map((id) => sender.send(thumb({ inference_request_id: id })));
  await browser.pass(0);

  browser.api = (request) => (request.body.includes('"bad"') ? problem(400, "malformed-json") : store(request));
  await browser.pass(2000);

  assert.deepEqual(
    (await Promise.all(sent)).map(({ status }) => status),
    ["accepted", "refused", "accepted"],
  );
});

test("an event that must go alone joins no batch", () => {
  const queue = new Queue({ queueEvents: 10, queueBytes: 1000 });
  const items = ["a", "b", "c"].map((feedback_id) => queue.put({ feedback_id }, feedback_id, { isHeld: false, at: 0 }));
  items[1].isAlone = true;

  assert.deepEqual(queue.next({ events: 10, bytes: 1000 }), [items[0], items[2]]);
});

test("a bad key refuses all that waits, in one request", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser, { onRefused: () => {} });
  const sent = [1, 2, 3].map((n) => sender.send(thumb({ inference_request_id: `req-${n}` })));
  await browser.pass(0);
  const before = browser.requests.length;

  browser.api = () => problem(401, "unauthenticated");
  await browser.pass(2000);

  assert.deepEqual(
    (await Promise.all(sent)).map(({ code }) => code),
    Array(3).fill("unauthenticated"),
  );
  assert.equal(browser.requests.length, before + 1);
});

test("the queue is bounded in events and in bytes; what does not fit is refused at once", async () => {
  const browser = new FakeBrowser({ api: offline });
  const refused = [];
  const onRefused = ({ code }) => refused.push(code);
  const few = client(browser, { queueEvents: 2, onRefused });
  const small = client(browser, { queueBytes: 1000, onRefused });

  for (let i = 0; i < 3; i++) few.send(thumb());
  small.send(thumb({ rationale: "x".repeat(2000) }));
  await settled();

  assert.deepEqual(refused, ["queue-full", "queue-full"]);
  assert.equal(few.pending, 2);
});

test("an event that is too old to be worth sending is given up, by name", async () => {
  const browser = new FakeBrowser({ api: offline });
  const outcome = client(browser, { onRefused: () => {}, giveUpAfterMs: 60_000 }).send(thumb());

  await browser.pass(3 * 60_000);

  assert.equal((await outcome).code, "gave-up");
});

test("the same event twice is one event; another content under its id is refused", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser, { onRefused: () => {} });
  const event = thumb({ feedback_id: "0192f0c1-7c1e-7a50-8a3e-0d5f6a7b8c9d" });

  const [first, again] = [sender.send(event), sender.send(event)];
  const other = await sender.send({ ...event, feedback_value: { positive: false } });

  assert.equal(first, again);
  assert.equal(other.code, "feedback-id-conflict");
  assert.equal(sender.pending, 1);
});

test("flush sends at once whatever the backoff, and says how many are left", async () => {
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser);
  sender.send(thumb());
  await browser.pass(0);

  assert.equal(await sender.flush(), 1);
  browser.api = storing();
  assert.equal(await sender.flush(), 0);
});

test("feedback types are asked for once, and again after a failure", async () => {
  const types = [{ name: "explicit_binary", version: "1.0", widget: { kind: "thumbs", field: "positive" } }];
  const browser = new FakeBrowser({ api: offline });
  const sender = client(browser);
  await assert.rejects(sender.feedbackTypes(), new FeedbackUnavailable("network"));
  browser.api = () => problem(401, "unauthenticated");
  await assert.rejects(sender.feedbackTypes(), { name: "FeedbackUnavailable", code: "unauthenticated" });

  browser.api = () => reply(200, { feedback_types: types });
  const both = await Promise.all([sender.feedbackTypes(), sender.feedbackTypes()]);

  assert.deepEqual(both, [types, types]);
  assert.equal(browser.requests.length, 3);
  assert.equal(browser.requests[2].headers.Authorization, `Bearer ${OPTIONS.key}`);
});

test("a client without url or key is a mistake that is told at once", () => {
  assert.throws(() => new FeedbackClient({ url: "https://api.test" }), TypeError);
});
