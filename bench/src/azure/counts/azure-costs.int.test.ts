import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_GROUP_APPENDS, rowsOf } from "../simulation/policy.ts";
import { measureAzureCosts } from "./azure-costs.ts";
import { Emulator } from "./emulator.ts";
import { measureFullCommit } from "./full-commits.ts";
import { measureSharedCommits } from "./shared-commits.ts";

let emulators: Emulator[];
beforeAll(async () => {
  emulators = await Promise.all([Emulator.start(), Emulator.start()]);
});
afterAll(() => Promise.all(emulators.map((emulator) => emulator[Symbol.asyncDispose]())));

describe("the costs on Azure", () => {
  it("are the same each time they are counted", async () => {
    const [first, second] = await Promise.all(emulators.map((emulator) => measureAzureCosts(emulator, 500, [50, 500])));
    expect(second).toEqual(first);
  });

  it("are a request per commit, and a row of its own for a transaction without an expectation", async () => {
    const { appends } = await measureAzureCosts(emulators[0], 1_000, [250]);
    expect(appends.map(({ wire, storedEntities }) => ({ ...wire, storedEntities }))).toMatchObject([
      { commits: 4, pointReads: 0, queries: 0, others: 0, conflicts: 0, rowsWritten: 20, storedEntities: 12 },
      { commits: 4, pointReads: 0, queries: 0, others: 0, conflicts: 0, rowsWritten: 16, storedEntities: 8 },
    ]);
  });

  it("of a commit are two rows, and three for each append that shares it", async () => {
    const { wire, appends } = await measureSharedCommits(emulators[1], 8, "each", 5);
    expect(wire.commits).toBeLessThan(appends);
    expect(wire.rowsWritten).toBe(2 * wire.commits + 3 * appends);
  });

  it("allow as many appends in one commit as the simulation assumes", async () => {
    expect(await measureFullCommit(emulators[0], false)).toEqual({
      expecting: false,
      rows: rowsOf(MAX_GROUP_APPENDS),
    });
    expect(await measureFullCommit(emulators[0], true)).toEqual({ expecting: true, rows: 2 + 2 * 43 });
  });
});
