import { describe, expect, it } from "vitest";
import { formatRanges, parseRanges } from "./entries.ts";
import { match } from "./match.ts";

describe("match", () => {
  it.each<[unknown, unknown]>([
    [{ a: 1 }, { a: "1", b: 2 }],
    [
      ["x", "y"],
      ["x", "y"],
    ],
    ["hello", { payload: "aGVsbG8=" }],
    ["$any", "x"],
    ["$none", 0],
    ["$none", undefined],
    ["$gt:9007199254740993", "9007199254740994"],
    ["$le:30s", "29.950s"],
    ["$gt:0.9s", "0.900000001s"],
    ["$after:2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"],
    ["$micros", "2026-01-01T00:00:00.123456Z"],
    ["$has:b", ["a", "b"]],
    ["$sorted", ["\uFFFD", "\u{1F600}"]],
    ["$oneof:0,3", "3"],
  ])("%j fits %j", (expected, found) => {
    expect(match(expected as never, found, "x")).toBeUndefined();
  });

  it.each<[unknown, unknown]>([
    [{ a: 1 }, { a: "2" }],
    [["x"], ["x", "y"]],
    [[], ["x"]],
    ["$any", ""],
    ["$none", "x"],
    ["$gt:2", "2"],
    ["$lt:2", undefined],
    ["$le:30s", "30.000001s"],
    ["$le:30s", undefined],
    ["$ge:1s", "7"],
    ["$after:2026-01-01T00:00:00.000002Z", "2026-01-01T00:00:00.000002Z"],
    ["$micros", "2026-01-01T00:00:00.123456001Z"],
    ["$uuid", "6F9619FF-8B86-4D01-B42D-00CF4FC964FF"],
    ["$sorted", ["b", "a"]],
    [true, "true!"],
  ])("%j does not fit %j", (expected, found) => {
    expect(match(expected as never, found, "x")).toMatch(/^x/);
  });

  it("refuses an unknown test", () => {
    expect(() => match("$perhaps", 1, "x")).toThrow("no test");
  });
});

describe("ranges", () => {
  it.each(["", "1", "1-3", "1-3,5", "2,1", "1,1-2"])("%j comes back unchanged", (text) => {
    expect(formatRanges(parseRanges(text))).toBe(text);
  });
});
