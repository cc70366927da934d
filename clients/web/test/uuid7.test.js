/** Ids are UUIDs of version 7 and in order. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { newFeedbackId, uuid7Maker } from "../client/uuid7.js";

const SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("an id is canonical, of version 7 and of the RFC's variant", () => {
  for (let i = 0; i < 1000; i++) assert.match(newFeedbackId(), SHAPE);
});

test("the first 48 bits are the time in milliseconds", () => {
  const id = uuid7Maker({ now: () => 0x0192f0c17c1e })();

  assert.equal(id.slice(0, 13), "0192f0c1-7c1e");
});

test("twenty thousand ids of one millisecond are different and in order", () => {
  const make = uuid7Maker({ now: () => 1_800_000_000_000 });

  const ids = Array.from({ length: 20_000 }, make);

  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids, [...ids].sort());
});

test("a clock that is set back makes no earlier id", () => {
  let nowMs = 2_000_000;
  const make = uuid7Maker({ now: () => nowMs });
  const before = make();

  nowMs = 1_000_000;

  assert.ok(make() > before);
});

test("two pages that start in the same millisecond make different ids", () => {
  const ids = Array.from({ length: 500 }, () => uuid7Maker({ now: () => 1_800_000_000_000 })());

  assert.equal(new Set(ids).size, 500);
});
