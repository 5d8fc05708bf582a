import type { JsonObject } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { Statuses } from "./statuses.ts";

const status = (segment: string, first: number, last: number): JsonObject => ({
  status: { segment, first_sequence: String(first), last_sequence: String(last) },
});

function seen(...more: JsonObject[]): Statuses {
  const statuses = new Statuses();
  const events = [status("a", 1, 1), { snapshot_complete: {} }, status("b", 1, 2), status("a", 1, 4), ...more];
  for (const event of events) statuses.add(event);
  return statuses;
}

it("keeps the latest status of each segment", () => {
  expect(seen().match({ a: { last_sequence: 4 }, b: { last_sequence: 2 } })).toBeUndefined();
  expect(seen().match({ a: { last_sequence: 1 }, b: {} })).toContain("latest.a.last_sequence");
  expect(seen().has({ a: { last_sequence: 4 } })).toBe(true);
  expect(seen().has({ c: {} })).toBe(false);
});

it("finds an unexpected segment, and a missing one", () => {
  expect(seen().match({ a: {} })).toContain('found those of "a, b"');
  expect(seen().match({ a: {}, b: {}, c: {} })).toContain('expected statuses of "a, b, c"');
});

it.each([
  ["a last sequence", status("a", 1, 3)],
  ["a first sequence", status("a", 0, 5)],
])("finds %s that goes back", (_, late) => {
  expect(seen(late).match({ a: {}, b: {} })).toContain("came after");
});
