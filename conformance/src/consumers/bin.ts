#!/usr/bin/env node
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "../lab/cluster.ts";
import { readOptions } from "../options.ts";
import { runSoak, type SoakResult } from "./run.ts";
import { summaryOf } from "./summary.ts";

const USAGE = `Five processes compete for one exclusive consumer on three servers that share an Azurite, while a nemesis kills and freezes all of them.

  --minutes N         duration of the trouble; default: 10
  --seed N            the first seed; default: any
  --runs N            seeds, one after the other; default: 1
  --ttl N             ttl of the lease in milliseconds; default: 2,000

A seed gives the same trouble, in the same order and with the same pauses. The rest of the timing depends on the machine.
`;

const args = readOptions(USAGE, {
  minutes: { type: "string", default: "10" },
  seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
  runs: { type: "string", default: "1" },
  ttl: { type: "string", default: "2000" },
});

/** Writes the events of a run to a new file as JSON lines. Returns its path. */
function write({ seed, history, violations }: SoakResult): string {
  const path = join(mkdtempSync(join(tmpdir(), "streamkit-soak-")), `seed-${seed}.jsonl`);
  const events = [...history.events].sort((a, b) => a.at - b.at);
  const lines = [...violations, ...events, ...history.outputs, ...history.inputs];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}

// Only `process.exit` runs the handlers that end the started processes.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

let bad = 0;
for (let run = 0; run < Number(args.runs); run++) {
  const seed = Number(args.seed) + run;
  await using cluster = await Cluster.start({ instances: 3 });
  const result = await runSoak(cluster, { seed, millis: Number(args.minutes) * 60_000, ttl: Number(args.ttl) });
  for (const line of summaryOf(result)) console.log(line);
  if (result.violations.length === 0) continue;
  bad += 1;
  for (const { rule, what } of result.violations.slice(0, 20)) console.log(`     ${rule}: ${what}`);
  const sizes = `--minutes ${args.minutes} --ttl ${args.ttl}`;
  console.log(`     again: npm run conformance:consumers -- --seed ${seed} ${sizes}\n     history: ${write(result)}`);
}
process.exit(bad === 0 ? 0 : 1);
