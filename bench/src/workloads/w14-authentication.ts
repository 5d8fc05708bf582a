import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, Client } from "../harness/client.ts";
import type { RunContext, Workload } from "../harness/workload.ts";
import type { Sample } from "../peers/peer.ts";
import { type ServerProcess, startStreamkit, startWithTokens } from "../peers/streamkit-process.ts";
import { type Comparison, comparisonTable, figuresTable, type Rounds, targetAtMost } from "../report/comparison.ts";
import type { Section } from "../report/section.ts";
import { whole } from "../report/table.ts";
import { cpuMicros } from "../tools/cpu-time.ts";
import { makeToken } from "../tools/tokens.ts";
import { floodedTenant, floodNotes } from "./w14-noisy-tenant.ts";

const TARGET = 1.05;
/** Pairs for each round of the run: the CPU time of a turn varies by a tenth and more. */
const PAIRS_PER_ROUND = 4;
const CALLERS = 64;

/** The price of authentication, and the delay that one principal causes to another. */
export const authentication: Workload = {
  id: "W14",
  title: "price of tokens in server CPU, and a quiet tenant beside a flood",

  async run(context: RunContext): Promise<Section> {
    const records = Math.min(200_000, context.records);
    const appends = Math.min(10_000, Math.max(200, Math.round(context.records / 20)));
    const price = await measurePrice(context, [
      ["produce", "a record of a session", records, (stream) => ({ operation: "produce", job: { stream, records } })],
      [
        "append",
        "a unary append",
        appends,
        (stream) => ({ operation: "appendMany", job: { stream, streams: 100, appends, concurrency: CALLERS } }),
      ],
    ]);
    const tenants = await floodedTenant(context);
    return {
      heading: `W14 Authentication: ${whole(records)} records in a session, ${whole(appends)} unary appends, and two tenants`,
      notes: [
        `Price: two servers, one without authentication and one that checks a token (HS256) with each call; LevelDB storage, HTTP/2. ${whole(context.runs * PAIRS_PER_ROUND)} pairs in alternating order, after one that does not count. The figures are CPU time of all threads of the server; an append has ${CALLERS} callers.`,
        ...floodNotes,
      ],
      tables: [
        figuresTable(price.rounds, { serverCpu: "server CPU, us" }),
        comparisonTable(price.rounds, price.comparisons),
        ...tenants,
      ],
    };
  },
};

type Job = readonly [name: string, label: string, operations: number, call: (stream: string) => Call];

async function measurePrice(context: RunContext, jobs: readonly Job[]) {
  const servers: ServerProcess[] = [];
  const clients: Client[] = [];
  const rounds = new Map<string, Sample[]>();
  const comparisons: Comparison[] = [];
  try {
    const folderOf = async (name: string) => {
      const folder = join(context.folder, `W14-${name}`);
      await mkdir(folder);
      return folder;
    };
    const flags = (name: string) =>
      context.profileFolder === undefined
        ? []
        : ["--cpu-prof", `--cpu-prof-dir=${context.profileFolder}`, `--cpu-prof-name=W14-${name}.cpuprofile`];
    const open = await startStreamkit(["--storage", "level", "--path", await folderOf("none")], flags("none"));
    servers.push(open);
    const guarded = await startWithTokens(await folderOf("jwt"), [], flags("jwt"));
    servers.push(guarded);
    const token = makeToken(guarded.secret, "bench");
    const sides = [
      { way: "no authentication", pid: open.pid, client: new Client("none", "streamkit", open.address, []) },
      {
        way: "JWT, warm",
        pid: guarded.pid,
        client: new Client("jwt", "streamkit-token", `${guarded.address}#${token}`, []),
      },
    ];
    clients.push(...sides.map(({ client }) => client));
    for (const [name, label, operations, call] of jobs) {
      const labelOf = (way: string) => `streamkit ${label}, ${way}`;
      for (const { way } of sides) rounds.set(labelOf(way), []);
      for (let pair = 0; pair <= context.runs * PAIRS_PER_ROUND; pair++) {
        for (const { way, pid, client } of pair % 2 === 0 ? sides : sides.toReversed()) {
          const before = await cpuMicros(pid);
          await client.call(call(`w14-${name}-${pair}`));
          const serverCpu = ((await cpuMicros(pid)) - before) / operations;
          if (pair > 0) rounds.get(labelOf(way))?.push({ serverCpu });
          context.progress(`W14: pair ${pair}, ${labelOf(way)}: ${serverCpu.toPrecision(3)} us`);
        }
      }
      const [against, ours] = sides.map(({ way }) => labelOf(way));
      comparisons.push({ ours, against, metric: "serverCpu", by: "ratio", bounds: [targetAtMost(TARGET)] });
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(servers.map((server) => server.stop()));
  }
  return { rounds: rounds as Rounds, comparisons };
}
