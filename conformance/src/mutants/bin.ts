import { parseArgs } from "node:util";
import type { Transport } from "@connectrpc/connect";
import { loadCases } from "../corpus/load.ts";
import { bentTransport } from "./bent-transport.ts";
import { BROKEN_CLIENTS, runBrokenClient, SOUND_CLIENTS } from "./broken-clients.ts";
import { HOLLOW_SERVERS } from "./hollow-servers.ts";
import { DEVIATIONS, type Kill, runDeviation } from "./kill-matrix.ts";

/** Failures after which a mutant counts as dead without running the rest. */
const ENOUGH = 4;
/** Part of the applicable cases that must fail on a server that is none. */
const HOLLOW_SHARE = 0.9;

const { values: args } = parseArgs({ options: { only: { type: "string" }, all: { type: "boolean" } } });
const wanted = (name: string): boolean => name.includes(args.only ?? "");
const enough = args.all ? undefined : ENOUGH;
let cases = loadCases();
const unbent = (next: Transport): Transport => bentTransport(next, {});
let survivors = 0;

const print = (name: string, wrong: string, kill: Kill, dead: boolean): void => {
  if (!dead) survivors += 1;
  const by = kill.failed.slice(0, 3).join(", ") + (kill.failed.length > 3 ? ", …" : "");
  console.log(`${dead ? "killed  " : "SURVIVED"} ${name.padEnd(28)} ${wrong}\n           by ${by || "nothing"}`);
};

// The control: bent nowhere. What fails here proves nothing elsewhere.
const control = await runDeviation({ name: "control", wrong: "nothing", where: "append", transport: unbent }, cases);
const controlFailures = control.failed.length;
console.log(`control: ${control.passed.length} cases pass, ${controlFailures} fail ${control.failed.join(", ")}`);
cases = cases.filter(({ id }) => !control.failed.includes(id));
for (const client of SOUND_CLIENTS) {
  const sound = await runBrokenClient(client, cases, ENOUGH);
  console.log(`control, client ${client.name}: fails ${sound.failed.join(", ") || "nothing"}`);
  cases = cases.filter(({ id }) => !sound.failed.includes(id));
}

for (const deviation of DEVIATIONS.filter(({ name }) => wanted(name))) {
  const kill = await runDeviation(deviation, cases, enough);
  print(deviation.name, deviation.wrong, kill, kill.failed.length > 0);
}
for (const client of BROKEN_CLIENTS.filter(({ name }) => wanted(name))) {
  const kill = await runBrokenClient(client, cases, enough);
  print(`client ${client.name}`, client.wrong, kill, kill.failed.length > 0);
}
for (const hollow of HOLLOW_SERVERS.filter(({ name }) => wanted(name))) {
  const kill = await runDeviation(hollow, cases);
  const share = kill.failed.length / (kill.failed.length + kill.passed.length);
  const wrong = `${hollow.wrong}: ${(share * 100).toFixed(1)} % of the cases fail`;
  print(hollow.name, wrong, kill, share >= HOLLOW_SHARE);
  if (args.all) console.log(`           passed: ${kill.passed.join(", ")}`);
}
const total = DEVIATIONS.length + BROKEN_CLIENTS.length + HOLLOW_SERVERS.length;
console.log(`${total} mutants, ${survivors} survivors`);
process.exit(survivors + controlFailures === 0 ? 0 : 1);
