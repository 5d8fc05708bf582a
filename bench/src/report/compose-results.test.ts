import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { composeResults, type RunDescription } from "./compose-results.ts";
import type { Section } from "./section.ts";

const run: RunDescription = { complete: true, date: "2026-11-23", command: "npm run bench", machine: ["CPU: fast"] };
const part: RunDescription = { ...run, complete: false, date: "2026-11-30", command: "npm run bench -- W9" };
const section = (heading: string, figure: string): Section => ({
  heading,
  notes: ["a note"],
  tables: [{ caption: "Figures", columns: ["who", "rate"], rows: [["we", figure]] }],
});
const complete = composeResults("", run, [section("W1 Bulk", "11"), section("W9 Counts", "99")]);
const headings = (text: string) => text.split("\n").filter((line) => line.startsWith("## "));

describe("the results", () => {
  it("of a complete run have the command and the machine", () => {
    expect(complete).toContain(
      "\n- Date: 2026-11-23\n- Command: `npm run bench`\n- CPU: fast\n\n## W1 Bulk\n\n- a note\n",
    );
    expect(headings(complete)).toEqual(["## W1 Bulk", "## W9 Counts"]);
  });

  it("of some workloads replace their earlier results, describe their own run, and keep the others", () => {
    const text = composeResults(complete, part, [section("W10 Instances", "10"), section("W9 Counts anew", "90")]);
    expect(headings(text)).toEqual(["## W1 Bulk", "## W9 Counts anew", "## W10 Instances"]);
    expect(text.slice(0, text.indexOf("## W9"))).toBe(complete.slice(0, complete.indexOf("## W9")));
    expect(text).not.toContain("| we | 99 |");
    const apart =
      "- Measured apart from the others. Date: 2026-11-30; Command: `npm run bench -- W9`; CPU: fast\n- a note\n";
    expect(text.split(apart).length).toBe(3);
  });

  it("stay unchanged when the same results are written again", () => {
    const once = composeResults(complete, part, [section("W9 Counts", "90")]);
    expect(composeResults(once, part, [section("W9 Counts", "90")])).toBe(once);
  });

  it("in the repository survive parsing and composing", async () => {
    const text = await readFile(new URL("../../RESULTS.md", import.meta.url), "utf8");
    expect(composeResults(text, part, [])).toBe(text);
  });
});
