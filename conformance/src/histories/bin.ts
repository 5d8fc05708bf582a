#!/usr/bin/env node
import { create } from "@bufbuild/protobuf";
import { CellSchema } from "@streamkit/protocol/conformance";
import { Cluster } from "../lab/cluster.ts";
import { readOptions } from "../options.ts";
import { TRANSPORTS } from "../suite/run/cell.ts";
import { AzureAccount } from "../suite/server/azure-account.ts";
import { runCoordinationHistory } from "./coordination/run.ts";
import { type HistoryResult, runHistory } from "./entries/run.ts";
import { type WrittenHistory, writeHistory } from "./entries/write-history.ts";
import { runSeeds } from "./instances/run-seeds.ts";

const USAGE = `Generated histories: seeded workloads with trouble, and a check of all observations.

  --seed N            the first seed; default: any
  --runs N            seeds; default: 1 with --seed, else 5
  --transactions N    per seed; default: 160, with --instances 200
  --kills N           kills (kill -9) of the single server, per seed; default: 3
  --backend NAME, --transport NAME, --wrapper NAME, --server-command COMMAND, --server-url URL,
  --azure-connection-string S: as in the conformance suite. Only --transport applies with --instances.

  --cuts N            with --transport websocket: faults of the sockets, per seed. Clients share sockets that pass a
                      fault proxy, which cuts (RST, FIN), delays, half-opens, or silences one direction; default: 12

  --instances N       N servers on one Azurite, each a process with its own faulty network, clock and bus
  --troubles N        number of troubles, per seed; default: 12
  --spaces N          default: 2
  --writers N         default: 10
  --parallel N        seeds at the same time, each on its own servers; default: 1

  --coordination      with --instances N: leases, appends with their tokens, and cursors, instead of entries
  --clients N         default: 8
  --steps N           per client; default: 40

A seed gives the same plan and the same trouble at the same places of it. Timing depends on the machine, so run a bad seed several times.
`;

const args = readOptions(USAGE, {
  seed: { type: "string" },
  runs: { type: "string" },
  transactions: { type: "string" },
  kills: { type: "string", default: "3" },
  backend: { type: "string", default: "level" },
  transport: { type: "string", default: "grpc" },
  cuts: { type: "string" },
  wrapper: { type: "string", default: "plain" },
  "server-command": { type: "string" },
  "server-url": { type: "string", multiple: true },
  "azure-connection-string": { type: "string" },
  instances: { type: "string", default: "1" },
  troubles: { type: "string" },
  spaces: { type: "string" },
  writers: { type: "string" },
  parallel: { type: "string", default: "1" },
  coordination: { type: "boolean", default: false },
  clients: { type: "string" },
  steps: { type: "string" },
});
const first = args.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(args.seed);
const runs = Number(args.runs ?? (args.seed === undefined ? 5 : 1));
const seeds = Array.from({ length: runs }, (_, index) => first + index);

const sizes = Object.fromEntries(
  (["transactions", "troubles", "spaces", "writers", "clients", "steps"] as const).flatMap((name) => {
    return args[name] === undefined ? [] : [[name, Number(args[name])]];
  }),
);

const sockets = { transport: args.transport, cuts: Number(args.cuts ?? (args.transport === "websocket" ? 12 : 0)) };
if (sockets.cuts > 0 && sockets.transport !== "websocket") {
  console.error(`--cuts needs --transport websocket, found ${sockets.transport}`);
  process.exit(2);
}
if (!Object.hasOwn(TRANSPORTS, sockets.transport)) {
  const names = Object.keys(TRANSPORTS).join(", ");
  console.error(`there is no transport ${sockets.transport}: expected one of ${names}`);
  process.exit(2);
}

async function runAll(): Promise<void> {
  const instances = Number(args.instances);
  if (args.coordination) return runCoordinations(Math.max(2, instances));
  if (instances > 1)
    return runSeeds(seeds, { instances, parallel: Number(args.parallel), ...sockets, ...sizes }, print);
  const { backend, transport, wrapper } = args;
  const cell = create(CellSchema, { backend, transport, wrapper, client: "raw" });
  // All runs share one account.
  await using azure = new AzureAccount(
    args["azure-connection-string"] ?? process.env.CONFORMANCE_AZURE_CONNECTION_STRING,
  );
  const subjects = {
    anyStore: true,
    ...(backend === "azure" ? { azureConnectionString: await azure.connectionString() } : {}),
    ...(args["server-command"] === undefined ? {} : { serverCommand: args["server-command"] }),
    ...(args["server-url"] === undefined ? {} : { serverUrls: args["server-url"] }),
  };
  for (const seed of seeds)
    print(await runHistory(seed, cell, subjects, { ...sizes, ...sockets, kills: Number(args.kills) }));
}

async function runCoordinations(instances: number): Promise<void> {
  await using cluster = await Cluster.start({ instances });
  for (const seed of seeds) {
    const result = await runCoordinationHistory(seed, cluster, { ...sizes, ...sockets });
    const outcomes = result.history.flatMap((event) => ("outcome" in event ? event.outcome.is : []));
    const of = (is: string): number => outcomes.filter((outcome) => outcome === is).length;
    const refused = of("held") + of("lost") + of("refused") + of("conflict");
    const done = of("granted") + of("released") + of("acked");
    report(result, `${done} done, ${refused} refused, ${of("unknown")} unknown`);
  }
}

function print(result: HistoryResult): void {
  const { acked, refused, unknown } = result.appends;
  report(result, `${acked} acked, ${refused} refused, ${unknown} unknown, ${result.entries} entries read`);
}

function report(result: WrittenHistory, what: string): void {
  const { seed, violations } = result;
  console.log(`${violations.length === 0 ? "good" : "BAD "} seed ${seed}: ${what}`);
  if (violations.length === 0) return;
  bad += 1;
  for (const { clause, what } of violations.slice(0, 10)) console.log(`     ${clause}: ${what}`);
  console.log(`     again: ${again(seed)}\n     history: ${writeHistory(result)}`);
}

/** Returns the command that repeats a seed. */
function again(seed: number): string {
  const given = process.argv.slice(2).join(" ");
  const others = given
    .replace(/--(seed|runs|parallel)(=|\s+)\S+/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return `npm run conformance:histories -- --seed ${seed} ${others}`.trim();
}

// Only `process.exit` runs the handlers that end the started processes.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

let bad = 0;
await runAll();
if (bad > 0) console.log(`${bad} bad histories`);
process.exit(bad === 0 ? 0 : 1);
