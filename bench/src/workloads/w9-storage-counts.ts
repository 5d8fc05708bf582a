import { measureAzureCosts } from "../azure/counts/azure-costs.ts";
import {
  azureActionTable,
  azureAppendTable,
  azureReadTable,
  azureTargetTable,
  followerTable,
  idleTable,
  sharedCommitTable,
} from "../azure/counts/azure-tables.ts";
import { Emulator } from "../azure/counts/emulator.ts";
import { measureFollower } from "../azure/counts/follower-costs.ts";
import { measureFullCommit } from "../azure/counts/full-commits.ts";
import { measureIdleCoordination } from "../azure/counts/idle-coordination.ts";
import { measureIdleFollowers } from "../azure/counts/idle-followers.ts";
import { measurePortCosts, type PortCosts } from "../azure/counts/port-costs.ts";
import { portTables } from "../azure/counts/port-tables.ts";
import { measureSharedCommits, type SharedCommits } from "../azure/counts/shared-commits.ts";
import { measureSingleActions } from "../azure/counts/single-actions.ts";
import { demandTable, simulatedSpaceTable, spaceTable, unitCostTable } from "../azure/scaling/scaling-tables.ts";
import { unitCostsOf } from "../azure/scaling/unit-costs.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import type { Section } from "../report/section.ts";
import { whole } from "../report/table.ts";

/** Number of records for the counts, except in a small run. */
const RECORDS = 1_000;
const APPEND_SIZES = [1, 10, 500];
const WRITERS = [1, 8, 64];
const SEGMENTS = ["one", "each"] as const;
/** Numbers of followed spaces, and of followers of each. */
const FOLLOWED = [
  [1, 1],
  [1, 10],
  [10, 1],
] as const;

/** Commits per second by another instance to a followed space. */
const COMMITS_PER_SECOND = [1, 10];

/**
 * The costs of records on the way to a storage backend: exact counts, the same on every machine. The cost and the scale
 * of a remote backend follow from them.
 */
export const storageCounts: Workload = {
  id: "W9",
  title: "requests and bytes that storage is charged for",

  async run({ records: scale, progress }: RunContext): Promise<Section> {
    const small = scale < 100_000;
    const records = Math.min(RECORDS, Math.max(100, Math.round(scale / 100)));
    const sizes = APPEND_SIZES.filter((size) => records % size === 0);
    const portCosts: PortCosts[] = [];
    for (const size of sizes) portCosts.push(await measurePortCosts(records, size));
    await using emulator = await Emulator.start();
    progress("W9: appends and reads on Azurite");
    const azureCosts = await measureAzureCosts(emulator, records, sizes);
    progress("W9: single actions");
    const actions = await measureSingleActions(emulator);
    progress("W9: shared commits");
    const shared: SharedCommits[] = [];
    const appendsPerWriter = Math.min(50, Math.max(5, Math.round(scale / 10_000)));
    for (const segments of SEGMENTS) {
      for (const writers of WRITERS) {
        shared.push(await measureSharedCommits(emulator, writers, segments, appendsPerWriter));
      }
    }
    const full = [await measureFullCommit(emulator, false), await measureFullCommit(emulator, true)];
    progress("W9: followers");
    const following = await Promise.all(
      [false, true].flatMap((bus) =>
        COMMITS_PER_SECOND.map((rate) => measureFollower(emulator, bus, rate, small ? 2_000 : 20_000)),
      ),
    );
    progress("W9: instances while nothing happens");
    const [coordination, ...followers] = await Promise.all([
      measureIdleCoordination(emulator, small ? 2_000 : 30_000),
      ...FOLLOWED.map(([spaces, each]) => measureIdleFollowers(emulator, spaces, each, small ? 1 : 5)),
    ]);
    const unit = unitCostsOf({ costs: azureCosts, actions, followers, full });
    return {
      heading: `W9 Cost of storage per ${whole(records)} records x 256 B, one segment`,
      notes: [
        "Partition port: calls over the memory backend, in one process, after one append that warmed the caches. Bytes are " +
          "keys and values of rows. A page is what one range request of a remote backend returns.",
        "Azure: HTTP requests to Azurite, counted by a proxy in front of it; what is counted is the same on every machine. " +
          "Rows are entities. Bytes are bodies as they were sent, without HTTP headers; Azure's host names are longer " +
          "or shorter than the emulator's address, and each row that is written names it once.",
        "Appends come one after the other, so no two share a commit, unless it says otherwise: the worst case.",
        "Capacity is what Azure's formula gives for the entities that are left, remembered transactions included; those go " +
          "after the dedupe window.",
        "Scale: formulas, their variables and where Azure's limits are stated are in docs/scaling.md.",
      ],
      tables: [
        ...portTables(portCosts),
        ...[azureAppendTable(azureCosts), azureReadTable(azureCosts), azureActionTable(actions)],
        ...[sharedCommitTable(shared), followerTable(following), idleTable(followers, coordination)],
        azureTargetTable(azureCosts),
        ...[unitCostTable(unit), spaceTable(unit), simulatedSpaceTable(unit), demandTable(unit)],
      ],
    };
  },
};
