import { expect, it } from "vitest";
import { collectStatuses, haveStatuses, matchStatuses } from "./statuses.ts";

const status = (segment: string, first: number, last: number) => ({
  status: { segment, first_sequence: String(first), last_sequence: String(last) },
});
const seen = collectStatuses([status("a", 1, 1), { snapshot_complete: {} }, status("b", 1, 2), status("a", 1, 4)]);

it("keeps the latest status of each segment", () => {
  expect(matchStatuses({ a: { last_sequence: 4 }, b: { last_sequence: 2 } }, seen)).toBeUndefined();
  expect(matchStatuses({ a: { last_sequence: 1 }, b: {} }, seen)).toContain("latest.a.last_sequence");
  expect(haveStatuses({ a: { last_sequence: 4 } }, seen)).toBe(true);
  expect(haveStatuses({ c: {} }, seen)).toBe(false);
});

it("finds a segment too many, and one that is missing", () => {
  expect(matchStatuses({ a: {} }, seen)).toContain("found those of a, b");
  expect(matchStatuses({ a: {}, b: {}, c: {} }, seen)).toContain("expected statuses of a, b, c");
});

it.each([
  ["a last sequence", status("a", 1, 3)],
  ["a first sequence", status("a", 0, 5)],
])("finds %s that goes back", (_, late) => {
  const stale = collectStatuses([status("a", 1, 4), late]);
  expect(matchStatuses({ a: {} }, stale)).toContain("came after");
});
