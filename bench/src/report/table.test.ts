import { describe, expect, it } from "vitest";
import { figure, type Table, toMarkdown, toText } from "./table.ts";

const table: Table = {
  caption: "Speed",
  columns: ["who", "records/s"],
  rows: [
    ["a|b", "1"],
    ["longer", "1,000,000"],
  ],
};

describe("toText", () => {
  it("aligns labels left and figures right", () => {
    expect(toText(table).split("\n")).toEqual([
      "Speed",
      "who     records/s",
      "------  ---------",
      "a|b             1",
      "longer  1,000,000",
    ]);
  });
});

describe("toMarkdown", () => {
  it("escapes column separators", () => {
    expect(toMarkdown(table)).toContain("| a\\|b | 1 |");
  });
});

describe("figure", () => {
  it.each([
    [1_234_567.8, "1,234,568"],
    [99.96, "100.0"],
    [12.34, "12.3"],
    [1.234, "1.23"],
    [-0.1234, "-0.123"],
    [0, "0.000"],
  ])("%d is %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
});
