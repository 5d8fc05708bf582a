import { expect, test } from "vitest";
import { Checks, firstDifference, firstGap } from "./checks.ts";
import { verdict } from "./report.ts";

test("numbers that count up have no gap", () => {
  expect(firstGap([])).toBeUndefined();
  expect(firstGap([1, 2, 3])).toBeUndefined();
  expect(firstGap([7, 8], 7)).toBeUndefined();
});

test.each([
  { numbers: [1, 3], what: "a missing number" },
  { numbers: [1, 1, 2], what: "a repeated number" },
  { numbers: [2, 1], what: "numbers out of order" },
  { numbers: [0, 1], what: "a wrong start" },
])("$what is found", ({ numbers }) => {
  expect(firstGap(numbers)).toMatch(/found \d where \d was due/);
});

test("equal lists have no difference, others do", () => {
  expect(firstDifference([{ a: 1 }], [{ a: 1 }])).toBeUndefined();
  expect(firstDifference([{ a: 1 }], [{ a: 2 }])).toBe('item 1 is {"a":1}; expected {"a":2}');
  expect(firstDifference([1, 2], [1])).toBe("2 items; expected 1");
  expect(firstDifference([], [1])).toBe("0 items; expected 1");
});

test("one failed check fails the whole, and reports its finding", () => {
  const checks = new Checks();
  checks.equal("one is one", 1, 1);
  checks.equal("lists agree", [1], [2]);
  checks.none("nothing is missing", "offset 7 is missing");
  expect(checks.failed.map((check) => check.statement)).toEqual(["lists agree", "nothing is missing"]);
  const text = verdict(checks.all);
  expect(text).toContain("found [1]; expected [2]");
  expect(text).toContain("offset 7 is missing");
  expect(text).toContain("2 of 3 checks FAILED.");
});
