import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "../harness/client.ts";
import { describeSample } from "../harness/rounds.ts";
import type { RunContext } from "../harness/workload.ts";
import type { Sample } from "../peers/peer.ts";
import { startWithTokens } from "../peers/streamkit-process.ts";
import { type Comparison, comparisonTable, figuresTable } from "../report/comparison.ts";
import type { Table } from "../report/table.ts";
import { makeToken } from "../tools/tokens.ts";

const FOLLOWERS = 10;
const PER_SECOND = 50;
const WARM_UP_MILLIS = 500;
/** Callers of the flood, and a share of bytes that they exceed. */
const FLOOD = 256;
const SHARE_BYTES = 16_384;

const ALONE = "quiet tenant alone";
const BESIDE = "quiet tenant beside a flood, default limits";
const LIMITED = "quiet tenant beside a flood at its limit";

/** Words about the tables of `floodedTenant`. */
export const floodNotes: readonly string[] = [
  `Tenants: one server with tokens. The quiet tenant has ${FOLLOWERS} followers of one segment, and appends ${PER_SECOND} records per second to it. The flood is another principal with ${FLOOD} callers in a process of its own, which append to another store without a pause. "At its limit": the server has --limit requestBytesPerPrincipal=${SHARE_BYTES}, which the callers exceed; the server then refuses their appends with OVERLOADED, and they try again. The figures are milliseconds of the quiet tenant, from the call of append to the delivery: most deliveries come before the ack. The processes share the machine, so the factor includes the CPU time that the clients take from the server and from each other.`,
];

/** Measures live delivery of a quiet tenant without and with a flood of another principal. */
export async function floodedTenant(context: RunContext): Promise<Table[]> {
  const rounds = new Map<string, Sample[]>([ALONE, BESIDE, LIMITED].map((label) => [label, []]));
  const open = await Tenants.start(context, "open", []);
  try {
    const limited = await Tenants.start(context, "limited", ["--limit", `requestBytesPerPrincipal=${SHARE_BYTES}`]);
    try {
      for (let round = 0; round <= context.runs; round++) {
        for (const [label, tenants, flood] of [
          [ALONE, open, false],
          [BESIDE, open, true],
          [LIMITED, limited, true],
        ] as const) {
          const sample = await tenants.measure(round, flood, Math.max(1_000, Math.min(10_000, context.records / 25)));
          if (round > 0) rounds.get(label)?.push(sample);
          context.progress(`W14: ${round === 0 ? "warm-up" : `round ${round}`}, ${label}: ${describeSample(sample)}`);
        }
      }
    } finally {
      await limited.stop();
    }
  } finally {
    await open.stop();
  }
  const comparisons = [BESIDE, LIMITED].flatMap((ours) =>
    ["sent50", "sent99"].map((metric): Comparison => ({ ours, against: ALONE, metric, by: "ratio", bounds: [] })),
  );
  const units = {
    sent50: "append to delivery, p50 ms",
    sent99: "p99 ms",
    flood: "appends/s of the flood",
  };
  return [figuresTable(rounds, units), comparisonTable(rounds, comparisons)];
}

/** A server, and a client process of each of two principals. */
class Tenants {
  readonly #server: Awaited<ReturnType<typeof startWithTokens>>;
  readonly #quiet: Client;
  readonly #noisy: Client;

  private constructor(server: Awaited<ReturnType<typeof startWithTokens>>) {
    const client = (subject: string) =>
      new Client(subject, "streamkit-token", `${server.address}#${makeToken(server.secret, subject)}`, []);
    this.#server = server;
    this.#quiet = client("quiet");
    this.#noisy = client("noisy");
  }

  static async start({ folder }: RunContext, name: string, options: readonly string[]): Promise<Tenants> {
    const data = join(folder, `W14-tenants-${name}`);
    await mkdir(data);
    return new Tenants(await startWithTokens(data, options));
  }

  async measure(round: number, flood: boolean, millis: number): Promise<Sample> {
    const period = { warmUpMillis: WARM_UP_MILLIS, millis };
    // The flood lasts longer than the deliveries.
    const longer = { warmUpMillis: WARM_UP_MILLIS, millis: millis + 2 * WARM_UP_MILLIS };
    const write = { stream: "noisy", space: `flood-${round}`, prefix: "w", writers: FLOOD, period: longer };
    const stream = `quiet-${round}-${flood}`;
    const [noise, delivery] = await Promise.all([
      flood ? this.#noisy.call({ operation: "write", job: write }) : undefined,
      this.#quiet.call({
        operation: "followLive",
        job: { stream, followers: FOLLOWERS, perSecond: PER_SECOND, period },
      }),
    ]);
    return { ...delivery, flood: ((noise?.count ?? 0) / longer.millis) * 1_000 };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#quiet.close(), this.#noisy.close()]);
    await this.#server.stop();
  }
}
