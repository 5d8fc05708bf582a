#!/usr/bin/env node
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import { CellSchema } from "@streamkit/protocol/conformance";
import { AzureAccount } from "../server/azure-account.ts";
import { runHistory } from "./run.ts";

const { values: args } = parseArgs({
  options: {
    seed: { type: "string" },
    runs: { type: "string", default: "5" },
    kills: { type: "string", default: "3" },
    backend: { type: "string", default: "level" },
    transport: { type: "string", default: "grpc" },
    wrapper: { type: "string", default: "plain" },
    "server-command": { type: "string" },
    "server-url": { type: "string", multiple: true },
    "azure-connection-string": { type: "string" },
  },
});

const { backend, transport, wrapper } = args;
const cell = create(CellSchema, { backend, transport, wrapper, client: "raw" });
const first = args.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(args.seed);
const runs = args.seed === undefined ? Number(args.runs) : 1;
// One for all runs.
await using azure = new AzureAccount(
  args["azure-connection-string"] ?? process.env.CONFORMANCE_AZURE_CONNECTION_STRING,
);
const subjects = {
  anyStore: true,
  ...(backend === "azure" ? { azureConnectionString: await azure.connectionString() } : {}),
  ...(args["server-command"] === undefined ? {} : { serverCommand: args["server-command"] }),
  ...(args["server-url"] === undefined ? {} : { serverUrls: args["server-url"] }),
};
let bad = 0;
for (let seed = first; seed < first + runs; seed++) {
  const { appends, entries, violations } = await runHistory(seed, cell, subjects, { kills: Number(args.kills) });
  const { acked, refused, unknown } = appends;
  const verdict = violations.length === 0 ? "good" : "BAD ";
  console.log(
    `${verdict} seed ${seed}: ${acked} acked, ${refused} refused, ${unknown} unknown, ${entries} entries read`,
  );
  for (const { clause, what } of violations.slice(0, 10)) console.log(`     ${clause}: ${what}`);
  if (violations.length > 0) bad += 1;
}
if (bad > 0) console.log(`${bad} bad histories; run one again with --seed`);
process.exit(bad === 0 ? 0 : 1);
