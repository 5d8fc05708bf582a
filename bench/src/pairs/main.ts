/**
 * Compares two checkouts of this repository by the CPU time of single calls:
 *
 *     npm run pairs -- OLD NEW [options]
 *
 * OLD and NEW are folders with installed packages. Both sides run at once, and take turns: OLD NEW, NEW OLD. On a busy
 * machine, CPU time in alternating pairs shows differences that wall-clock time hides.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeDataFolder, removeDataFolder } from "../harness/data-folder.ts";
import { figure, toText } from "../report/table.ts";
import { summarize } from "../tools/statistics.ts";
import { makeSecret, makeToken } from "../tools/tokens.ts";
import { BULK, type Cpu, type Job, OPERATIONS } from "./jobs.ts";
import { Side } from "./side.ts";

const USAGE = `npm run pairs -- OLD NEW [options]
  --engine             without a transport: bytes of requests to bytes of answers
  --storage NAME       level (default) or memory
  --operation NAME     append (default), load, produce, or consume
  --count N            operations of a turn; default 6000, or 200000 records and entries in bulk
  --callers N          calls at a time; default 64
  --pairs N            pairs that count, after one that does not; default 5
  --over A,B           transports of old and new: http2 (default) or websocket
  --auth A,B           authentication of old and new: none (default), constant (the same principal for each call), or jwt
  --client old|new     the same client for both servers; default: each server has the client of its checkout
  --server old|new     the same server for both clients
  --profile DIR        leave CPU profiles there; figures then suffer`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: "boolean", default: false },
    storage: { type: "string", default: "level" },
    operation: { type: "string", default: "append" },
    count: { type: "string" },
    callers: { type: "string", default: "64" },
    pairs: { type: "string", default: "5" },
    over: { type: "string", default: "http2,http2" },
    auth: { type: "string", default: "none,none" },
    client: { type: "string" },
    server: { type: "string" },
    profile: { type: "string" },
  },
});
const [old, current] = positionals.map((folder) => resolve(folder));
const { storage } = values;
const operation = OPERATIONS.find((name) => name === values.operation);
const isBulk = BULK.has(values.operation);
const [overOld = "", overNew = ""] = values.over.split(",");
const areTransports = [overOld, overNew].every((name) => name === "http2" || name === "websocket");
const [authOld = "", authNew = ""] = values.auth.split(",");
const areKnown = [authOld, authNew].every((name) => ["none", "constant", "jwt"].includes(name));
const hasFolders = old !== undefined && current !== undefined;
if (
  !hasFolders ||
  !areTransports ||
  !areKnown ||
  operation === undefined ||
  (values.engine && (isBulk || values.auth !== "none,none"))
) {
  throw new Error(USAGE);
}
const checkouts = { old, new: current };
const transports = { old: overOld, new: overNew };
const authentications = { old: authOld, new: authNew };
const secret = makeSecret();
type Name = keyof typeof checkouts;
const NAMES: readonly Name[] = ["old", "new"];
const count = Number(values.count ?? (isBulk ? 200_000 : 6_000));
const job: Job = { operation, count, callers: isBulk ? 1 : Number(values.callers) };

/** CPU time of each process in one turn, in microseconds per operation, by a label. */
type Turn = Readonly<Record<string, number>>;

/** One checkout under test. */
interface Subject {
  readonly turn: () => Promise<Turn>;
  readonly sides: readonly Side[];
}

const folder = await makeDataFolder();
const subjects = new Map<Name, Subject>();
const turns: Record<Name, Turn[]> = { old: [], new: [] };
try {
  for (const name of NAMES) subjects.set(name, await startSubject(name));
  for (let pair = 0; pair <= Number(values.pairs); pair++) {
    for (const name of pair % 2 === 0 ? NAMES : NAMES.toReversed()) {
      const turn = await subjects.get(name)!.turn();
      if (pair > 0) turns[name].push(turn);
    }
  }
} finally {
  for (const { sides } of subjects.values()) for (const side of sides) await side.stop();
  await removeDataFolder(folder);
}
console.log(toText(tableOf(turns)));

async function startSubject(name: Name): Promise<Subject> {
  const data = join(folder, name);
  await mkdir(data);
  if (values.engine) {
    const { side } = await Side.start("engine-process.ts", [checkouts[name], storage, data], flags(`${name}-engine`));
    if (operation === "load") await side.tell({ do: "fill", ...job });
    return {
      sides: [side],
      turn: async () => perOperation("engine", await side.tell({ do: "work", ...job })),
    };
  }
  const serverOf = checkouts[(values.server ?? name) as Name];
  const clientOf = checkouts[(values.client ?? name) as Name];
  const { side: server, url } = await Side.start(
    "server-process.ts",
    [serverOf, storage, data, authentications[name], secret],
    flags(`${name}-server`),
  );
  const { side: client } = await Side.start(
    "client-process.ts",
    [clientOf, url, transports[name], ...(authentications[name] === "jwt" ? [makeToken(secret, name)] : [])],
    flags(`${name}-client`),
  );
  if (operation === "load" || operation === "consume") await client.tell({ do: "fill", ...job });
  return {
    sides: [client, server],
    async turn() {
      const before = await server.tell({ do: "cpu" });
      const used = await client.tell({ do: "work", ...job });
      const after = await server.tell({ do: "cpu" });
      const served = { process: after.process - before.process, main: after.main - before.main };
      return { ...perOperation("server", served), ...perOperation("client", used) };
    },
  };
}

function flags(name: string): string[] {
  const { profile } = values;
  if (profile === undefined) return [];
  return ["--cpu-prof", `--cpu-prof-dir=${resolve(profile)}`, `--cpu-prof-name=${name}.cpuprofile`];
}

function perOperation(label: string, { process: all, main }: Cpu): Turn {
  return { [`${label}, all threads`]: all / job.count, [`${label}, main thread`]: main / job.count };
}

function tableOf(found: Readonly<Record<Name, readonly Turn[]>>) {
  const rows = Object.keys(found.old[0]).map((label) => {
    const ratios = summarize(found.new.map((turn, pair) => turn[label] / found.old[pair][label]));
    const medians = NAMES.map((name) => figure(summarize(found[name].map((turn) => turn[label])).median));
    return [label, ...medians, `${figure(ratios.median)} (${figure(ratios.min)} to ${figure(ratios.max)})`];
  });
  const over = overOld === overNew ? `over ${overNew}` : `old over ${overOld}, new over ${overNew}`;
  const auth = authOld === authNew ? `authentication ${authNew}` : `authentication: old ${authOld}, new ${authNew}`;
  const caption = `CPU time per ${operation}, in us: ${values.pairs} pairs of ${job.count} by ${job.callers} callers, ${storage} storage, ${over}, ${auth}`;
  return { caption, columns: ["", "old", "new", "new / old (least to most)"], rows };
}
