/** The error table of the protocol and the limits, over every transport and format, against a real port. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  CursorService,
  ErrorDetailSchema,
  ErrorReason,
  LeaseService,
  LIMITS,
  PresenceService,
  StoreService,
  StreamService,
} from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, levelStorage, memoryStorage, type Streamkit } from "../src/index.ts";
import { temporaryFolder } from "./server-process.ts";
import { WIRE_TRANSPORTS } from "./transports.ts";

const payload = (size: number) => ({ payload: new Uint8Array(size) });
const space = "space";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const servers = new Map<string, { streamkit: Streamkit; url: string }>();

beforeAll(async () => {
  folder = await temporaryFolder();
  for (const storage of [memoryStorage(), levelStorage({ path: folder.path })]) {
    const streamkit = createStreamkit({ storage });
    servers.set(storage.kind, { streamkit, url: (await streamkit.listen({ port: 0 })).url });
  }
});

afterAll(async () => {
  for (const { streamkit } of servers.values()) await streamkit.close();
  await folder[Symbol.asyncDispose]();
});

/** Checks that every failure has its code and exactly one detail (ERR-001), and resolves with that detail. */
async function failure(call: Promise<unknown> | AsyncIterable<unknown>) {
  let error: unknown;
  try {
    if (Symbol.asyncIterator in call) for await (const _ of call);
    else await call;
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(ConnectError);
  const { code, rawMessage } = error as ConnectError;
  const details = (error as ConnectError).findDetails(ErrorDetailSchema);
  expect(details, rawMessage).toHaveLength(1);
  const [detail] = details;
  return { code, reason: detail.reason, retryable: detail.retryable, detail };
}

const refused = (reason: ErrorReason, code = Code.InvalidArgument) => ({ code, reason, retryable: false });

async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}

describe.each(WIRE_TRANSPORTS)("$name", ({ make }) => {
  let transport: Transport;
  let stream: ReturnType<typeof createClient<typeof StreamService>>;
  beforeAll(() => {
    transport = make(servers.get("memory")?.url ?? "");
    stream = createClient(StreamService, transport);
  });

  it("refuses fields that are missing, malformed or out of range, and names them", async () => {
    const storeId = crypto.randomUUID();
    const records = [payload(1)];
    const cases: [string, () => Promise<unknown> | AsyncIterable<unknown>][] = [
      ["store_id", () => stream.append({ storeId: "../etc", space, appends: [{ segment: "s", records }] })],
      ["store_id", () => stream.peek({ storeId: "", space, segment: "s" })],
      ["store_id", () => stream.consumeSpace({ storeId: "x", space })],
      ["space", () => stream.append({ storeId, space: "", appends: [{ segment: "s", records }] })],
      ["space", () => stream.consumeSegment({ storeId, space: "a\u0000", segment: "s" })],
      ["segment", () => stream.getSegmentStatus({ storeId, space, segment: "\u0085" })],
      ["appends[0].segment", () => stream.append({ storeId, space, appends: [{ segment: "x".repeat(256), records }] })],
      ["appends", () => stream.append({ storeId, space, appends: [] })],
      [
        "appends[1].segment",
        () =>
          stream.append({
            storeId,
            space,
            appends: [
              { segment: "s", records },
              { segment: "s", records },
            ],
          }),
      ],
      ["appends[0]", () => stream.append({ storeId, space, appends: [{ segment: "s" }] })],
      [
        "transaction_id",
        () => stream.append({ storeId, space, transactionId: "1", appends: [{ segment: "s", records }] }),
      ],
      ["max_sequence", () => stream.consumeSegment({ storeId, space, segment: "s", minSequence: 2n, maxSequence: 1n })],
      ["max_offset", () => stream.consumeSpace({ storeId, space, minOffset: 2n, maxOffset: 1n })],
      ["max_time", () => stream.consumeSpace({ storeId, space, minTime: { seconds: 2n }, maxTime: { seconds: 1n } })],
      ["heartbeat_interval", () => stream.consumeSpace({ storeId, space, heartbeatInterval: { nanos: 99_999_999 } })],
      ["heartbeat_interval", () => stream.consumeSpace({ storeId, space, heartbeatInterval: { seconds: 3_601n } })],
      ["spaces", () => stream.consume({ storeId, spaces: {} })],
      [
        "spaces",
        () =>
          stream.consume({ storeId, spaces: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`s${i}`, 0n])) }),
      ],
      ["page_size", () => stream.listSpaces({ storeId, pageSize: 1_001 })],
      ["page_token", () => stream.listSegments({ storeId, space, pageToken: "!" })],
      ["before_sequence", () => stream.trimSegment({ storeId, space, segment: "s", beforeSequence: 0n })],
      ["before_sequence", () => stream.trimSegment({ storeId, space, segment: "s", beforeSequence: 2n })],
    ];
    for (const [field, call] of cases) {
      const { detail, ...rest } = await failure(call());
      expect(rest, field).toEqual(refused(ErrorReason.INVALID_FIELD));
      expect(
        detail.fieldViolations.map((v) => v.field),
        field,
      ).toEqual([field]);
    }
    expect((await stream.listSpaces({ storeId })).spaces).toEqual([]);
  });

  it("refuses requests that their conditions rule out, with the facts", async () => {
    const storeId = crypto.randomUUID();
    const append = (fields: object) =>
      stream.append({ storeId, space, appends: [{ segment: "s", records: [payload(1)], ...fields }] });
    await append({ fencingToken: 5n });
    const mismatch = await failure(append({ expectedLastSequence: 0n }));
    expect(mismatch).toMatchObject(refused(ErrorReason.SEQUENCE_MISMATCH, Code.FailedPrecondition));
    expect(mismatch.detail).toMatchObject({ segment: "s", expectedLastSequence: 0n, actualLastSequence: 1n });
    const fenced = await failure(append({ fencingToken: 4n }));
    expect(fenced).toMatchObject(refused(ErrorReason.FENCED, Code.FailedPrecondition));
    expect(fenced.detail.segment).toBe("s");
  });

  it("says NOT_FOUND and UNIMPLEMENTED where the protocol does", async () => {
    const storeId = crypto.randomUUID();
    const notFound = await failure(createClient(StoreService, transport).getStore({ storeId }));
    expect(notFound).toMatchObject(refused(ErrorReason.NOT_FOUND, Code.NotFound));
    // This version lacks the RPC: Connect itself answers, as in any server.
    const later = { ...StreamService.method.peek, name: "AddedLater" };
    const call = transport.unary(later, undefined, undefined, undefined, { storeId });
    await expect(call).rejects.toMatchObject({ code: Code.Unimplemented });
  });

  it("names every invalid field, not only the first (ERR-002, M12)", async () => {
    const [storeId, name] = ["x", "\u0007"];
    const [leases, cursors] = [createClient(LeaseService, transport), createClient(CursorService, transport)];
    const presence = createClient(PresenceService, transport);
    const cases: [string[], () => Promise<unknown> | AsyncIterable<unknown>][] = [
      [
        ["store_id", "space", "appends[0].segment", "appends[0]", "appends[1].segment", "transaction_id"],
        () =>
          stream.append({ storeId, space: name, appends: [{}, { segment: name, records: [{}] }], transactionId: "y" }),
      ],
      [
        ["appends[1].segment", "appends[2].segment"],
        () =>
          stream.append({
            storeId: crypto.randomUUID(),
            space,
            appends: Array.from({ length: 3 }, () => ({ segment: "s", records: [payload(1)] })),
          }),
      ],
      [["store_id", "space", "segment"], () => stream.peek({ storeId, segment: name })],
      [
        ["store_id", "space", "segment", "max_sequence", "heartbeat_interval"],
        () =>
          stream.consumeSegment({
            storeId,
            minSequence: 2n,
            maxSequence: 1n,
            heartbeatInterval: { seconds: 0n },
          }),
      ],
      [
        ["store_id", "space", "segment_prefix", "max_offset"],
        () => stream.consumeSpace({ storeId, segmentPrefix: name, minOffset: 2n, maxOffset: 1n }),
      ],
      [
        ["store_id", "spaces", "spaces", "heartbeat_interval"],
        () => stream.consume({ storeId, spaces: { "": 1n, [name]: 1n }, heartbeatInterval: { seconds: 0n } }),
      ],
      [
        ["store_id", "prefix", "page_size", "page_token"],
        () => stream.listSpaces({ storeId, prefix: name, pageSize: 1_001, pageToken: "?" }),
      ],
      [["store_id", "space", "page_size"], () => stream.listSegments({ storeId, pageSize: 1_001 })],
      [["store_id", "space"], () => stream.getSpaceStatus({ storeId })],
      [["store_id", "space", "segment"], () => stream.getSegmentStatus({ storeId })],
      [
        ["store_id", "space", "segment_prefix", "heartbeat_interval"],
        () =>
          stream.subscribeToSegmentStatus({
            storeId,
            segment: "a",
            segmentPrefix: "b",
            heartbeatInterval: { seconds: 9_999n },
          }),
      ],
      [["store_id", "space", "segment", "before_sequence"], () => stream.trimSegment({ storeId })],
      [["store_id", "space", "segment"], () => stream.deleteSegment({ storeId })],
      [["store_id", "space"], () => stream.deleteSpace({ storeId })],
      [["store_id", "key", "holder", "ttl"], () => leases.acquireLease({ storeId, ttl: { seconds: 0n } })],
      [
        ["store_id", "key", "holder", "fencing_token", "ttl"],
        () => leases.renewLease({ storeId, ttl: { seconds: 0n } }),
      ],
      [["store_id", "key", "holder", "fencing_token"], () => leases.releaseLease({ storeId })],
      [["store_id", "prefix", "page_size"], () => leases.listLeases({ storeId, prefix: name, pageSize: 1_001 })],
      [["store_id", "name", "offsets"], () => cursors.commitCursor({ storeId })],
      [["store_id", "prefix", "page_token"], () => cursors.listCursors({ storeId, prefix: name, pageToken: "?" })],
      [["store_id", "group", "worker_id"], () => presence.renewWorker({ storeId })],
      [
        ["store_id", "group", "interval", "worker.id", "worker.metadata"],
        () =>
          presence.subscribeToWorkers({
            storeId,
            interval: { seconds: 0n },
            worker: { metadata: { a: "x".repeat(4_096) } },
          }),
      ],
    ];
    for (const [fields, call] of cases) {
      const { reason, detail } = await failure(call());
      expect([reason, detail.fieldViolations.map(({ field }) => field)]).toEqual([ErrorReason.INVALID_FIELD, fields]);
    }
  });

  it.each(["memory", "level"])(
    "accepts every limit exactly, and refuses one more without writing anything (fault 26, %s)",
    async (kind) => {
      const { url } = servers.get(kind) as { url: string };
      const client = createClient(StreamService, make(url));
      const storeId = crypto.randomUUID();
      const append = (appends: object[]) => client.append({ storeId, space, appends });
      const tooLarge = refused(ErrorReason.TRANSACTION_TOO_LARGE);
      const segments = (count: number) =>
        Array.from({ length: count }, (_, i) => ({ segment: `s${i}`, records: [payload(1)] }));
      const over: [object, () => Promise<unknown>][] = [
        [
          refused(ErrorReason.RECORD_TOO_LARGE),
          () => append([{ segment: "s", records: [payload(LIMITS.maxRecordBytes + 1)] }]),
        ],
        [tooLarge, () => append([{ segment: "s", records: Array.from({ length: 1_001 }, () => payload(0)) }])],
        [
          tooLarge,
          () =>
            append([
              { segment: "s", records: [payload(LIMITS.maxTransactionBytes)] },
              { segment: "t", records: [payload(1)] },
            ]),
        ],
        [tooLarge, () => append(segments(33))],
        [refused(ErrorReason.INVALID_FIELD), () => append([{ segment: "\u00e9".repeat(128), records: [payload(1)] }])],
      ];
      for (const [expected, call] of over) expect(await failure(call())).toMatchObject(expected);
      expect((await client.listSpaces({ storeId })).spaces).toEqual([]);
      await failure(createClient(StoreService, make(url)).getStore({ storeId }));
      await append([{ segment: "s", records: [payload(LIMITS.maxRecordBytes)] }]);
      await append([{ segment: "s", records: Array.from({ length: 1_000 }, () => payload(0)) }]);
      await append([
        { segment: "s", records: [payload(LIMITS.maxTransactionBytes - 1)] },
        { segment: "t", records: [payload(1)] },
      ]);
      await append(segments(32));
      await append([{ segment: "\u00e9".repeat(127), records: [payload(1)] }]);
      const { status } = await client.getSpaceStatus({ storeId, space });
      expect(status?.lastOffset).toBe(1_036n);
    },
  );

  it("applies exactly one of several concurrent appends with one expectation (G6)", async () => {
    const storeId = crypto.randomUUID();
    for (let round = 0; round < 5; round++) {
      const request = {
        storeId,
        space,
        appends: [{ segment: "s", expectedLastSequence: BigInt(round), records: [payload(1)] }],
      };
      const outcomes = await Promise.allSettled([stream.append(request), stream.append(request)]);
      expect(outcomes.map((o) => o.status).sort()).toEqual(["fulfilled", "rejected"]);
    }
  });
});

describe.each(WIRE_TRANSPORTS.filter(({ bidi }) => bidi))("$name", ({ make }) => {
  it("fails a Produce session with the first failure, after the results before it", async () => {
    const stream = createClient(StreamService, make(servers.get("memory")?.url ?? ""));
    const storeId = crypto.randomUUID();
    const good = (n: number) => ({ storeId, space, appends: [{ segment: "s", records: [payload(n)] }] });
    async function* requests() {
      yield good(1);
      yield { ...good(2), storeId: "" };
      yield { ...good(3), appends: [{ segment: "s", expectedLastSequence: 99n, records: [payload(1)] }] };
      yield good(4);
      yield good(5);
    }
    const results: bigint[] = [];
    const collect = async () => {
      for await (const { ranges } of stream.produce(requests())) results.push(ranges[0].lastSequence);
    };
    expect(await failure(collect())).toMatchObject(refused(ErrorReason.SEQUENCE_MISMATCH, Code.FailedPrecondition));
    expect(results).toEqual([1n, 2n]);
    const { status } = await stream.getSegmentStatus({ storeId, space, segment: "s" });
    expect(status?.lastSequence).toBe(2n);
    const other = { ...good(1), storeId: crypto.randomUUID() };
    async function* twoStores() {
      yield good(1);
      yield other;
    }
    expect(await failure(stream.produce(twoStores()))).toMatchObject(refused(ErrorReason.INVALID_FIELD));
    expect(await failure(stream.produce(once({ ...good(1), storeId: "x" })))).toMatchObject(
      refused(ErrorReason.INVALID_FIELD),
    );
    for await (const _ of stream.produce((async function* () {})())) expect.unreachable();
  });
});
