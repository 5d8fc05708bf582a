import { figure, type Table, whole } from "../../report/table.ts";
import type { Scenario } from "../simulation/scenario.ts";
import { simulate } from "../simulation/simulate.ts";
import { AZURE } from "./azure-limits.ts";
import { EXAMPLE_PRICES } from "./example-prices.ts";
import { ASSUMED_COMMIT_MILLIS, EXAMPLES } from "./examples.ts";
import { appendsPerSpace, demandOf, type Load, monthlyCost, rowsPerCommit } from "./load.ts";
import type { UnitCosts } from "./unit-costs.ts";

/** The unit costs for the formulas of docs/scaling.md. */
export function unitCostTable(unit: UnitCosts): Table {
  const rows: [string, number][] = [
    ["rows per commit", unit.rowsPerCommit],
    ["rows per segment in a commit", unit.rowsPerSegment],
    ["rows per append without expectation", unit.rowsPerRemembered],
    ["appends to a segment each that fit into one commit", unit.mostAppends.remembered],
    ["the same with expectedLastSequence", unit.mostAppends.expecting],
    ["requests per commit", unit.requestsPerCommit],
    ["requests per lost race, besides", unit.requestsPerConflict],
    ["deleting requests per remembered transaction", unit.deletesPerRemembered],
    ["reads per remembered transaction and look", unit.scansPerRemembered],
    ["reads per second, followed space and instance", unit.pollsPerSecond],
    ["bytes sent per append of one record", unit.sentPerAppend.remembered],
    ["the same with expectedLastSequence", unit.sentPerAppend.expecting],
    ["bytes sent per further record", unit.sentPerRecord],
    ["bytes stored per append of one record", unit.storedPerAppend],
    ["bytes stored per further record", unit.storedPerRecord],
  ];
  return {
    caption: "Scale on Azure: costs of single things, derived from the counts above",
    columns: ["what", "cost"],
    rows: rows.map(([what, value]) => [what, figure(value)]),
  };
}

/** The demands of some loads, and their costs. */
export function demandTable(unit: UnitCosts): Table {
  const { date, perTenThousandWrites, perTenThousandReads, perGigabyteMonth } = EXAMPLE_PRICES;
  return {
    caption:
      `Scale on Azure: what loads take. Costs are per month at MADE-UP prices (${date}): ${perTenThousandWrites} per 10,000 ` +
      `writes, ${perTenThousandReads} per 10,000 reads, ${perGigabyteMonth} per GB and month; replace them`,
    columns: [
      ...[
        "load",
        "commits/s",
        "writes/s",
        "reads/s",
        "entities/s",
        "MB/s sent",
        "GB stored per month",
        "spaces, at least",
      ],
      ...["accounts by requests", "accounts by entities"],
      ...[
        "cost if transactions are billed",
        "cost if entities are billed",
        "cost of keeping a month's data, per month",
      ],
    ],
    rows: EXAMPLES.map(({ name, load }) => {
      const demand = demandOf(unit, load);
      const cost = monthlyCost(demand, EXAMPLE_PRICES);
      return [
        name,
        ...[demand.commitsPerSecond, demand.writesPerSecond, demand.readsPerSecond, demand.entitiesPerSecond].map(
          figure,
        ),
        ...[demand.sentPerSecond / 1e6, (demand.storedPerSecond * 30 * 86_400) / 1e9].map(figure),
        ...[demand.spaces, demand.accounts, demand.accountsByEntities].map(whole),
        ...[cost.requests, cost.requestsByEntities, cost.storage].map(figure),
      ];
    }),
  };
}

/** The capacity of one space, by kind of load. The lower of the two limits counts. */
export function spaceTable(unit: UnitCosts): Table {
  const kinds = [false, true].flatMap((expecting) =>
    [1, 8, expecting ? unit.mostAppends.expecting : unit.mostAppends.remembered].flatMap((appendsPerCommit) =>
      [...new Set([appendsPerCommit, 1])].map((segmentsPerCommit) => ({
        expecting,
        appendsPerCommit,
        segmentsPerCommit,
      })),
    ),
  );
  return {
    caption: `Scale on Azure: appends/s that one space takes, at ${ASSUMED_COMMIT_MILLIS} ms per commit`,
    columns: ["appends per commit, segments", "rows per commit", "by entities", "by latency", "appends/s"],
    rows: kinds.map((kind) => {
      const load = loadOf(kind);
      const { byEntities, byLatency } = appendsPerSpace(unit, load);
      const label = `${kind.appendsPerCommit}, ${kind.segmentsPerCommit}${kind.expecting ? ", expecting" : ""}`;
      return [
        label,
        ...[rowsPerCommit(unit, load), byEntities, byLatency, Math.min(byEntities, byLatency)].map(figure),
      ];
    }),
  };
}

function loadOf(kind: Pick<Load, "expecting" | "appendsPerCommit" | "segmentsPerCommit">): Load {
  return {
    ...kind,
    appendsPerSecond: 1,
    recordsPerAppend: 1,
    conflictsPerCommit: 0,
    instances: 1,
    followedSpaces: 0,
    commitMillis: ASSUMED_COMMIT_MILLIS,
  };
}

/** Shares of a space's calculated capacity that the simulated space is asked for. */
const SHARES = [0.5, 0.9, 1.1, 2];

/** Compares the formula for one space with a simulation that throttles as documented by Azure. */
export function simulatedSpaceTable(unit: UnitCosts): Table {
  return {
    caption:
      "Scale on Azure: one space asked for shares of what it takes by the formula (a segment per writer, at random times), " +
      `simulated with ${whole(AZURE.partitionEntitiesPerSecond)} entities/s per partition and ${ASSUMED_COMMIT_MILLIS} ms per commit`,
    columns: [
      "share",
      "asked appends/s",
      "formula appends/s",
      "simulated appends/s",
      "appends per commit",
      "throttled/s",
      "p99 ms",
    ],
    rows: SHARES.map((share) => {
      // The rate determines the number of appends per commit, and that number determines the capacity of a space.
      const most = capacityOf(unit, unit.mostAppends.remembered);
      const outcome = simulate(azureScenario(share * most));
      const formula = capacityOf(unit, outcome.appendsPerCommit);
      return [
        figure(share),
        figure(share * most),
        figure(Math.min(share * most, formula)),
        figure(outcome.appendsPerSecond),
        figure(outcome.appendsPerCommit),
        figure(outcome.throttledPerSecond),
        figure(outcome.p99),
      ];
    }),
  };
}

/** Appends per second that the entity limit of a partition allows. Their removal comes later. */
function capacityOf(unit: UnitCosts, appendsPerCommit: number): number {
  const rows = rowsPerCommit(unit, loadOf({ expecting: false, appendsPerCommit, segmentsPerCommit: appendsPerCommit }));
  return (AZURE.partitionEntitiesPerSecond * appendsPerCommit) / rows;
}

function azureScenario(perSecond: number): Scenario {
  const latency = [ASSUMED_COMMIT_MILLIS * 0.5, ASSUMED_COMMIT_MILLIS * 1.5];
  return {
    ...{ seed: 1, instances: 1, spaces: "one", writers: 1_000, arrivals: { kind: "poisson", perSecond } },
    storage: {
      latency: { transaction: latency, pointRead: latency, query: latency },
      serviceMillis: { transaction: 0, pointRead: 0, query: 0 },
      entitiesPerSecond: AZURE.partitionEntitiesPerSecond,
      requestsPerSecond: AZURE.accountRequestsPerSecond,
      retryAfterMillis: 100,
    },
    ...{ commitMillis: 0, otherMillis: 0, processors: 0, turnaroundMillis: 0, warmUpMillis: 2_000, millis: 20_000 },
  };
}
