import { describe, expect, it } from "vitest";
import { MAX_GROUP_APPENDS } from "../simulation/policy.ts";
import { simulatedSpaceTable } from "./scaling-tables.ts";
import type { UnitCosts } from "./unit-costs.ts";

describe("the formula for one space", () => {
  it("agrees with the simulation within a tenth, below the limit and above it", () => {
    const rows = { rowsPerCommit: 2, rowsPerSegment: 2, rowsPerRemembered: 1 };
    const unit: Partial<UnitCosts> = { ...rows, mostAppends: { expecting: 43, remembered: MAX_GROUP_APPENDS } };
    const table = simulatedSpaceTable(unit as UnitCosts);
    expect(table.rows.length).toBeGreaterThan(3);
    for (const row of table.rows) {
      const value = (column: string) => Number(row[table.columns.indexOf(column)].replaceAll(",", ""));
      const error = value("simulated appends/s") / value("formula appends/s") - 1;
      expect(Math.abs(error), row.join(" ")).toBeLessThan(0.1);
    }
  });
});
