import { describe, expect, it } from "vitest";
import { parseOptions, USAGE } from "./options.ts";

describe("parseOptions", () => {
  it("runs everything at full size by default", () => {
    expect(parseOptions([])).toMatchObject({ workloads: [], runs: 5, records: 1_000_000, only: [], write: false });
  });

  it("accepts workloads in upper or lower case", () => {
    expect(parseOptions(["w1", "W3", "--runs", "2"])).toMatchObject({ workloads: ["W1", "W3"], runs: 2 });
  });

  it.each(["0", "-1", "1.5", "many"])("refuses --records=%s", (records) => {
    expect(() => parseOptions([`--records=${records}`])).toThrow("positive integer");
  });

  it("has a small preset for daily use, which other options override", () => {
    const workloads = ["W1", "W2", "W3", "W4", "W6"];
    expect(parseOptions(["--quick"])).toMatchObject({ workloads, runs: 2, records: 50_000, write: false });
    expect(parseOptions(["--quick", "w9", "--runs=3"])).toMatchObject({ workloads: ["W9"], runs: 3, records: 50_000 });
    expect(parseOptions(["--quick", "--records", "7"])).toMatchObject({ workloads, runs: 2, records: 7 });
    expect(USAGE).toContain("W1 W2 W3 W4 W6, --runs 2, --records 50000");
  });

  it("does not publish partial results as complete ones", () => {
    expect(() => parseOptions(["--only", "redis", "--write"])).toThrow("complete workloads");
    expect(() => parseOptions(["W1", "--profile", "p", "--write"])).toThrow("complete workloads");
    expect(() => parseOptions(["--quick", "--write"])).toThrow("complete workloads");
    expect(parseOptions(["W9", "w10", "--write"])).toMatchObject({ workloads: ["W9", "W10"], write: true });
  });
});
