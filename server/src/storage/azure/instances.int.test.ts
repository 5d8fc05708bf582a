/**
 * Two servers on one store (faults 15 and 16 in small): one winner per expectation, and both servers see every append.
 */
import { randomUUID } from "node:crypto";
import { ConnectError, createClient } from "@connectrpc/connect";
import { type EntryBatch, ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { createStreamkit, type Streamkit } from "../../streamkit.ts";
import { azureStorage } from "./index.ts";
import { type Azurite, connectionStringTo, startAzurite } from "./test/azurite.ts";

const space = "orders";

let azurite: Azurite | undefined;
let servers: Streamkit[];
let storeId: string;

beforeAll(async () => {
  azurite = await startAzurite();
});

beforeEach(() => {
  storeId = randomUUID();
  const open = () =>
    createStreamkit({
      storage: azureStorage({ connectionString: connectionStringTo(azurite!.port) }),
      pollMillis: 20,
    });
  servers = [open(), open()];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
});

afterAll(() => azurite?.stop());

const client = (server: number) => createClient(StreamService, servers[server].transport());

function append(server: number, segment: string, text: string, expectedLastSequence?: bigint) {
  const records = [{ payload: Buffer.from(text) }];
  const expectation = expectedLastSequence === undefined ? {} : { expectedLastSequence };
  return client(server).append({
    storeId,
    space,
    transactionId: randomUUID(),
    appends: [{ segment, records, ...expectation }],
  });
}

function entriesOf(batches: readonly EntryBatch[]): { offset: bigint; text: string }[] {
  return batches.flatMap(({ firstOffset, records }) =>
    records.map(({ payload }, index) => ({
      offset: firstOffset + BigInt(index),
      text: Buffer.from(payload).toString(),
    })),
  );
}

it("lets one of two appends with the same expectation win, and tells the other one the actual sequence (15)", async () => {
  for (let sequence = 0n; sequence < 10n; sequence++) {
    const results = await Promise.allSettled([0, 1].map((server) => append(server, "s", `${server}`, sequence)));
    const refusals = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(refusals.length).toBe(1);
    const [detail] = ConnectError.from(refusals[0]).findDetails(ErrorDetailSchema);
    expect(detail).toMatchObject({
      reason: ErrorReason.SEQUENCE_MISMATCH,
      expectedLastSequence: sequence,
      actualLastSequence: sequence + 1n,
    });
  }
});

it("shows every append on every server, once and in order, also to followers (16)", async () => {
  const perWriter = 25;
  const total = BigInt(4 * perWriter);
  const stop = new AbortController();
  const following = [0, 1].map(async (server) => {
    const entries: { offset: bigint; text: string }[] = [];
    const request = { storeId, space, follow: true, limit: total };
    for await (const { batches } of client(server).consumeSpace(request, { signal: stop.signal })) {
      entries.push(...entriesOf(batches));
    }
    return entries;
  });
  const writers = [0, 1, 0, 1].map(async (server, writer) => {
    const sequences: bigint[] = [];
    for (let count = 0; count < perWriter; count++) {
      const { ranges } = await append(server, `s${writer % 2}`, `${writer}:${count}`);
      sequences.push(ranges[0].firstOffset);
    }
    return sequences;
  });
  const acked = (await Promise.all(writers)).flat();
  expect([...acked].sort((a, b) => Number(a - b))).toEqual(
    Array.from({ length: Number(total) }, (_, i) => BigInt(i + 1)),
  );
  const [first, second] = await Promise.all(following);
  expect(first!.map(({ offset }) => offset)).toEqual(Array.from({ length: Number(total) }, (_, i) => BigInt(i + 1)));
  expect(second).toEqual(first);
  for (let writer = 0; writer < 4; writer++) {
    const own = first!.flatMap(({ text }) => (text.startsWith(`${writer}:`) ? [Number(text.split(":")[1])] : []));
    expect(own).toEqual(Array.from({ length: perWriter }, (_, index) => index));
  }
  stop.abort();
});

it("reads an append as soon as another server has acknowledged it (G5)", async () => {
  for (let round = 1; round <= 10; round++) {
    await append(round % 2, "s", String(round));
    const { entry } = await client((round + 1) % 2).peek({ storeId, space, segment: "s" });
    expect(entriesOf([entry!]).map(({ text }) => text)).toEqual([String(round)]);
  }
});

it("accepts transactions of 1 MiB, one by one and many at a time, under names of 255 bytes", async () => {
  const record = (size: number) => ({ payload: Buffer.alloc(size, 7) });
  const name = (index: number) => `${String(index).padStart(3, "0")}${"é".repeat(126)}`;
  const long = { storeId, space: name(0) };
  const many = Array.from({ length: 32 }, (_, index) => ({ segment: name(index), records: [record(32_768)] }));
  const transactions = [
    [{ segment: name(1), records: [record(1024 * 1024)] }],
    [{ segment: name(2), records: Array.from({ length: 1_000 }, () => record(1_048)) }],
    many,
    ...many.map((append) => [append]),
    ...many.map(() => [{ segment: name(3), records: [record(100_000)] }]),
  ];
  // The first append makes the store. The others meet in as few commits as their sizes allow.
  const [first, ...others] = transactions.map((appends) => () => {
    return client(0).append({ ...long, transactionId: randomUUID(), appends });
  });
  await first!();
  await Promise.all(others.map((append) => append()));
  let bytes = 0;
  for await (const { batches } of client(1).consumeSpace(long)) {
    for (const { records } of batches) for (const { payload } of records) bytes += payload.length;
  }
  const written = transactions.flat().flatMap(({ records }) => records.map(({ payload }) => payload.length));
  expect(bytes).toBe(written.reduce((sum, length) => sum + length));
});
