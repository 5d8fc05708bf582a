import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type Case, CellSchema } from "@streamkit/protocol/conformance";
import { readOptions } from "../options.ts";
import { loadCases } from "../suite/corpus/load.ts";
import { findKnownFailure } from "../suite/run/known-failure.ts";
import { readKnownFailures } from "../suite/run/matrix.ts";
import { bentTransport } from "./bent-transport.ts";
import { BROKEN_CLIENTS, SOUND_CLIENTS } from "./broken-clients.ts";
import type { Deviation } from "./deviation.ts";
import { FRAME_CLIENTS } from "./frame-clients.ts";
import { FRAME_DEVIATIONS } from "./frame-deviations.ts";
import { runFrameDeviation } from "./frame-server.ts";
import { HOLLOW_SERVERS } from "./hollow-servers.ts";
import { DEVIATIONS, type Kill, runDeviation } from "./kill-matrix.ts";
import { runBrokenClient } from "./run-broken-client.ts";

/** Number of failures after which a mutant counts as killed without running the rest. */
const ENOUGH = 4;
/** Runs every case, and counts failures that also occur alone. */
const ALL = Number.POSITIVE_INFINITY;
/** Fraction of the applicable cases that must fail on a hollow server. */
const HOLLOW_SHARE = 0.9;

/** The cell in which two instances run. */
const SHARED_MEMORY = create(CellSchema, {
  backend: "memory",
  transport: "in-process",
  wrapper: "two-instances",
  client: "raw",
});

const USAGE = `The kill matrix: servers and clients with one fault each, and the cases that find it.

  --only TEXT            only broken servers and clients whose name contains TEXT; may be repeated
  --where PART           only broken servers with a fault in PART, such as append, access or instances; may be repeated
  --all                  runs all cases instead of stopping once a fault is found
`;

const args = readOptions(USAGE, {
  only: { type: "string", multiple: true },
  where: { type: "string", multiple: true },
  all: { type: "boolean" },
});
const wanted = (name: string, where = ""): boolean =>
  (args.only?.some((part) => name.includes(part)) ?? true) && (args.where?.includes(where) ?? true);
const enough = args.all ? undefined : ENOUGH;
let cases = loadCases();
const unbent = (next: Transport): Transport => bentTransport(next, {});
let mutants = 0;
let survivors = 0;

const print = (name: string, wrong: string, kill: Kill, dead: boolean): void => {
  mutants += 1;
  if (!dead) survivors += 1;
  const by = kill.failed.slice(0, 3).join(", ") + (kill.failed.length > 3 ? ", …" : "");
  console.log(`${dead ? "killed  " : "SURVIVED"} ${name.padEnd(28)} ${wrong}\n           by ${by || "nothing"}`);
};

let controlFailures = 0;
/** Returns the cases that pass without any fault. A case that fails here proves nothing about broken servers. */
async function sound(name: string, where: Deviation["where"], selected: readonly Case[]): Promise<Case[]> {
  const { passed, failed } = await runDeviation({ name, wrong: "nothing", where, transport: unbent }, selected, ALL);
  console.log(`${name}: ${passed.length} cases pass, ${failed.length} fail ${failed.join(", ")}`);
  controlFailures += failed.length;
  return selected.filter(({ id }) => !failed.includes(id));
}

const sockets = FRAME_DEVIATIONS.filter(({ name }) => wanted(name, "socket"));
const socketClients = FRAME_CLIENTS.filter(({ name }) => wanted(name, "socket"));
if (sockets.length + socketClients.length > 0) {
  const frames = cases.filter(({ id, needs }) => needs.includes("frames") || /^SOCKET-CLIENT/.test(id));
  const control = await runFrameDeviation({ name: "control", wrong: "nothing" }, frames);
  console.log(
    `control, socket: ${control.passed.length} cases pass, ${control.failed.length} fail ${control.failed.join(", ")}`,
  );
  controlFailures += control.failed.length;
  const sound = frames.filter(({ id }) => !control.failed.includes(id));
  for (const deviation of sockets) {
    const kill = await runFrameDeviation(
      deviation,
      sound.filter(({ needs }) => needs.includes("frames")),
      enough,
    );
    print(deviation.name, deviation.wrong, kill, kill.failed.length > 0);
  }
  for (const client of socketClients) {
    const kill = await runFrameDeviation(
      client,
      sound.filter(({ id }) => client.cases.test(id)),
      1,
    );
    print(client.name, client.wrong, kill, kill.failed.length > 0);
  }
}
if (args.where?.every((part) => part === "socket")) finish();

const access = cases.filter(({ needs }) => needs.includes("auth"));
const guarded = DEVIATIONS.filter(({ name, where }) => where === "access" && wanted(name, where));
if (guarded.length > 0) {
  const fit = await sound("control, access", "access", access);
  for (const deviation of guarded) {
    const kill = await runDeviation(deviation, fit, enough);
    print(deviation.name, deviation.wrong, kill, kill.failed.length > 0);
  }
}
if (args.where?.every((part) => part === "socket" || part === "access")) finish();

cases = cases.filter((one) => !access.includes(one));
cases = await sound("control", "append", cases);
const known = readKnownFailures(fileURLToPath(new URL("../../known-failures.yaml", import.meta.url)));
const shared = await sound(
  "control, two instances",
  "instances",
  cases.filter(({ id }) => findKnownFailure(known, id, SHARED_MEMORY) === undefined),
);
for (const client of SOUND_CLIENTS) {
  const sound = await runBrokenClient(client, cases, ENOUGH);
  console.log(`control, client ${client.name}: fails ${sound.failed.join(", ") || "nothing"}`);
  cases = cases.filter(({ id }) => !sound.failed.includes(id));
}

// A case with large groups takes a minute and gigabytes, and more on a server that repeats itself. So such cases meet
// only the servers that no other case finds.
const crowds = cases.filter(({ id }) => /^PRESENCE-(FULL|LARGE)/.test(id));
cases = cases.filter((one) => !crowds.includes(one));
for (const deviation of DEVIATIONS.filter(({ name, where }) => where !== "access" && wanted(name, where))) {
  let kill = await runDeviation(deviation, deviation.where === "instances" ? shared : cases, enough);
  if (kill.failed.length === 0) kill = await runDeviation(deviation, crowds, enough);
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
finish();

/** Prints the sum and ends the run. */
function finish(): never {
  console.log(`${mutants} mutants, ${survivors} survivors`);
  if (mutants === 0) console.error("no broken server or client has such a name or place; --help shows the options");
  process.exit(mutants > 0 && survivors + controlFailures === 0 ? 0 : 1);
}
