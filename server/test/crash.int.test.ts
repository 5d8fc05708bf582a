/** Faults 1 and 2: a real server on LevelDB, killed at random moments while several producers write. */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type AppendResponse, StreamService } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { type ServerProcess, startServer, temporaryFolder } from "./server-process.ts";
import { entriesOf } from "./space-checks.ts";

/** Number of kills. The suite has little time; a soak run sets more. */
const ROUNDS = Number(process.env.ROUNDS ?? 100);
const SEED = Number(process.env.SEED ?? 1);
const WRITERS = 3;

const storeId = crypto.randomUUID();
const space = "space";

interface Sent {
  readonly request: ReturnType<typeof requestOf>;
  /** The answer, if there was one. */
  ack?: AppendResponse;
}

let random = SEED;
function choose(below: number): number {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return Math.floor((random / 2 ** 32) * below);
}

function requestOf(writer: number, n: number) {
  const segments = [`w${writer}`, ...(choose(2) === 0 ? [`shared${choose(3)}`] : [])];
  return {
    storeId,
    space,
    transactionId: crypto.randomUUID(),
    appends: segments.map((segment) => ({
      segment,
      records: Array.from({ length: 1 + choose(3) }, (_, i) => ({
        payload: Buffer.from(`${writer}/${n}/${i}`.padEnd(choose(8) === 0 ? 30_000 : 20)),
      })),
    })),
  };
}

async function write(client: Client<typeof StreamService>, writer: number, sent: Sent[]): Promise<void> {
  for (let n = 0; ; n++) {
    const entry: Sent = { request: requestOf(writer, n) };
    sent.push(entry);
    try {
      entry.ack = await client.append(entry.request);
    } catch (error) {
      expect(ConnectError.from(error)).toBeInstanceOf(ConnectError);
      return;
    }
  }
}

const facts = ({ transaction, commitTime, ranges }: AppendResponse) => ({
  id: transaction?.id,
  number: transaction?.number,
  commitTime: `${commitTime?.seconds}.${commitTime?.nanos}`,
  ranges: ranges.map((r) => [r.segment, r.firstSequence, r.lastSequence, r.firstOffset]),
});

async function verify(
  client: Client<typeof StreamService>,
  from: number,
  sent: readonly Sent[],
  positions: Map<string, number>,
): Promise<number> {
  const found = [];
  for await (const { batches } of client.consumeSpace({ storeId, space, minOffset: BigInt(from) }))
    found.push(...entriesOf(space, batches));
  // G2: offsets are dense, and each segment continues at its next sequence.
  found.forEach((entry, i) => {
    expect(entry.offset).toBe(from + i);
    expect(entry.sequence).toBe((positions.get(entry.segment) ?? 0) + 1);
    positions.set(entry.segment, entry.sequence);
  });
  const byTransaction = Map.groupBy(found, (entry) => entry.transaction);
  for (const { request, ack } of sent) {
    const present = byTransaction.get(request.transactionId) ?? [];
    byTransaction.delete(request.transactionId);
    const wanted = request.appends.flatMap(({ segment, records }) =>
      records.map((r) => [segment, r.payload.toString()]),
    );
    // G3: transactions are whole or absent. G4: acknowledged entries exist, at the acknowledged positions.
    if (ack !== undefined || present.length > 0) expect(present.map((e) => [e.segment, e.payload])).toEqual(wanted);
    const placed = ack?.ranges.map((r) => [r.segment, Number(r.firstSequence), Number(r.firstOffset)]);
    const first = request.appends.map(({ segment }) => present.find((e) => e.segment === segment));
    if (placed !== undefined) expect(first.map((e) => [e?.segment, e?.sequence, e?.offset])).toEqual(placed);
    // G7: a retry gets the first result, or is the first.
    if (ack !== undefined && choose(4) > 0) continue;
    const again = await client.append(request);
    expect(again.deduplicated).toBe(present.length > 0);
    if (ack !== undefined) expect(facts(again)).toEqual(facts(ack));
  }
  // No other transactions exist.
  expect([...byTransaction.keys()]).toEqual([]);
  // The retries above may have added entries. The next round verifies the entries after them.
  const { status } = await client.getSpaceStatus({ storeId, space });
  const later = [];
  const next = from + found.length;
  if (Number(status?.lastOffset) >= next) {
    for await (const { batches } of client.consumeSpace({ storeId, space, minOffset: BigInt(next) }))
      later.push(...entriesOf(space, batches));
  }
  for (const entry of later) positions.set(entry.segment, entry.sequence);
  return next + later.length;
}

/** Checks that the segment views agree with the space view. */
async function compareViews(client: Client<typeof StreamService>): Promise<void> {
  const all = [];
  for await (const { batches } of client.consumeSpace({ storeId, space })) all.push(...entriesOf(space, batches));
  for (const [segment, entries] of Map.groupBy(all, (e) => e.segment)) {
    const view = [];
    for await (const { batches } of client.consumeSegment({ storeId, space, segment }))
      view.push(...entriesOf(space, batches));
    expect(view).toEqual(entries);
  }
}

function connect(server: ServerProcess) {
  const sessionManager = new Http2SessionManager(server.url);
  return {
    sessionManager,
    client: createClient(StreamService, createGrpcTransport({ baseUrl: server.url, sessionManager })),
  };
}

it(`keeps all acknowledged transactions, and only whole ones, over ${ROUNDS} kills`, {
  timeout: 60_000 + ROUNDS * 3_000,
}, async () => {
  await using folder = await temporaryFolder();
  let from = 1;
  let acknowledged = 0;
  let sent: Sent[] = [];
  const positions = new Map<string, number>();
  for (let round = 0; round <= ROUNDS; round++) {
    await using server = await startServer(folder.path);
    const { client, sessionManager } = connect(server);
    from = await verify(client, from, sent, positions);
    if (round % 25 === 0 || round === ROUNDS) await compareViews(client);
    sent = [];
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(client, writer, sent));
    await delay(choose(40));
    await server.end("SIGKILL");
    await Promise.all(writers);
    sessionManager.abort();
    acknowledged += sent.filter((s) => s.ack !== undefined).length;
  }
  // Enough commits were acknowledged for the kills to lose some.
  expect(acknowledged).toBeGreaterThan(ROUNDS);
});
