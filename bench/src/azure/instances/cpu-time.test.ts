import { describe, expect, it } from "vitest";
import { parseStat } from "./cpu-time.ts";

describe("parseStat", () => {
  it("finds the parent and both parts of the CPU time, for any name of the program", () => {
    const line = "4711 (a) b) S 42 4711 4711 0 -1 4194304 100 0 0 0 250 30 7 8 20 0 1 0 100 1000 10";
    expect(parseStat(line)).toEqual({ parent: 42, ticks: 280 });
  });

  it("returns undefined for a missing line", () => {
    expect(parseStat("")).toBeUndefined();
  });
});
