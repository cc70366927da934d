/** The spool survives the page, keeps to its bound, and lets pages side by side alone. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LEASE_MS, Spool } from "../client/spool.js";
import { FakeStorage } from "./fake_browser.js";

function spoolOf(storage, tab, { clock = { ms: 0 }, maxBytes = 10_000, scope = "s" } = {}) {
  return new Spool(storage, { scope, tab, maxBytes, now: () => clock.ms });
}

test("what a page that is gone has left is adopted, oldest first, and can be removed", () => {
  const storage = new FakeStorage();
  const gone = spoolOf(storage, "a");
  gone.put("id-2", "two");
  gone.put("id-1", "one");
  gone.release();

  const next = spoolOf(storage, "b");
  const adopted = next.adopt();
  for (const { id } of adopted) next.remove(id);

  assert.deepEqual(adopted, [
    { id: "id-1", text: "one" },
    { id: "id-2", text: "two" },
  ]);
  assert.equal(storage.events().length, 0);
});

test("what a live page keeps is its own until its lease runs out", () => {
  const storage = new FakeStorage();
  const clock = { ms: 0 };
  spoolOf(storage, "a", { clock }).put("id-1", "one");
  const other = spoolOf(storage, "b", { clock });

  const early = other.adopt();
  clock.ms = LEASE_MS;
  const late = other.adopt();

  assert.deepEqual(early, []);
  assert.deepEqual(
    late.map(({ id }) => id),
    ["id-1"],
  );
});

test("a page that renews its lease keeps what is its own", () => {
  const storage = new FakeStorage();
  const clock = { ms: 0 };
  const alive = spoolOf(storage, "a", { clock });
  alive.put("id-1", "one");

  clock.ms = LEASE_MS - 1;
  alive.renew();
  clock.ms += LEASE_MS - 1;

  assert.deepEqual(spoolOf(storage, "b", { clock }).adopt(), []);
});

test("two pages that write at once lose nothing of each other's", () => {
  const storage = new FakeStorage();
  const pages = ["a", "b"].map((tab) => spoolOf(storage, tab));

  for (let i = 0; i < 10; i++) pages.forEach((page, p) => page.put(`id-${p}-${i}`, "x"));
  pages[0].remove("id-0-3");

  assert.equal(storage.events().length, 19);
});

test("the bound counts bytes as the browser stores them, and a put beyond it is told", () => {
  const storage = new FakeStorage();
  const spool = spoolOf(storage, "a", { maxBytes: 300 });

  const kept = ["id-1", "id-2", "id-3"].map((id) => spool.put(id, "x".repeat(60)));

  assert.deepEqual(kept, [true, false, false]);
});

test("a removed event makes room", () => {
  const spool = spoolOf(new FakeStorage(), "a", { maxBytes: 300 });
  spool.put("id-1", "x".repeat(60));

  spool.remove("id-1");

  assert.equal(spool.put("id-2", "x".repeat(60)), true);
});

test("the bound holds for all pages together once they have been seen", () => {
  const storage = new FakeStorage();
  spoolOf(storage, "a", { maxBytes: 300 }).put("id-1", "x".repeat(60));
  const other = spoolOf(storage, "b", { maxBytes: 300 });
  other.adopt();

  assert.equal(other.put("id-2", "x".repeat(60)), false);
});

test("an event that is put again takes its own place", () => {
  const storage = new FakeStorage();
  const spool = spoolOf(storage, "a", { maxBytes: 300 });
  spool.put("id-1", "x".repeat(60));

  assert.equal(spool.put("id-1", "y".repeat(60)), true);
  assert.equal(storage.events().length, 1);
});

test("storage that is full, forbidden or absent fails nothing", () => {
  const forbidden = {
    get length() {
      throw new DOMException("no", "SecurityError");
    },
  };

  assert.equal(spoolOf(new FakeStorage(10), "a").put("id-1", "x".repeat(60)), false);
  assert.deepEqual(spoolOf(forbidden, "a").adopt(), []);
  assert.equal(spoolOf(undefined, "a").put("id-1", "one"), false);
});

test("another project's events are not touched", () => {
  const storage = new FakeStorage();
  spoolOf(storage, "a", { scope: "one" }).put("id-1", "one");

  assert.deepEqual(spoolOf(storage, "b", { scope: "two", clock: { ms: LEASE_MS * 2 } }).adopt(), []);
});

test("leases of pages that left nothing behind are cleared away", () => {
  const storage = new FakeStorage();
  const clock = { ms: 0 };
  spoolOf(storage, "a", { clock }).renew();

  clock.ms = LEASE_MS * 2;
  spoolOf(storage, "b", { clock }).adopt();

  assert.equal(storage.length, 0);
});
