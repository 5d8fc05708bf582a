import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, expect, test, vi } from "vitest";
import { failure, ModelService, unavailable } from "../../test/model-service.ts";
import { createStreamkitClient, describeTransport } from "../index.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

afterEach(() => {
  vi.useRealTimers();
});

function spaceOf(model: ModelService, duplex = true) {
  const transport = describeTransport(model.transport(), { format: "binary", duplex });
  const retry = { initialDelayMillis: 0, maxDelayMillis: 0, maxAttempts: 50 };
  return createStreamkitClient({ transport, retry }).store(STORE).space("s");
}

const bytesOf = (model: ModelService) => model.entries.map((entry) => entry.payload[0]);

test("takes any iterable", async () => {
  const model = new ModelService();
  const segment = spaceOf(model).segment("a");
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Uint8Array.of(4));
      controller.close();
    },
  });
  await segment.produce([Uint8Array.of(1), { payload: Uint8Array.of(2), metadata: { k: "v" } }]);
  await segment.produce(
    (async function* () {
      yield Uint8Array.of(3);
    })(),
  );
  await segment.produce(readable);
  expect(bytesOf(model)).toEqual([1, 2, 3, 4]);
  expect(await segment.produce([])).toEqual({
    records: 0,
    transactions: 0,
    last: undefined,
    firstSequence: 0,
    lastSequence: 0,
  });
});

test("what is ready together goes together; what is not, goes at once", async () => {
  const model = new ModelService();
  const next = Promise.withResolvers<void>();
  const acks: number[] = [];
  await spaceOf(model)
    .segment("a")
    .produce(
      (async function* () {
        for (let i = 0; i < 5; i++) yield Uint8Array.of(i);
        await next.promise;
        yield Uint8Array.of(5);
      })(),
      {
        onAck(result) {
          acks.push(result.ranges[0].lastSequence);
          next.resolve();
        },
      },
    );
  expect(acks).toEqual([5, 6]);
});

test("with linger, a transaction waits for more", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const model = new ModelService();
  const last = Promise.withResolvers<void>();
  const acked = Promise.withResolvers<void>();
  const produced = spaceOf(model)
    .segment("a")
    .produce(
      (async function* () {
        yield Uint8Array.of(0);
        await vi.advanceTimersByTimeAsync(40);
        yield Uint8Array.of(1);
        await vi.advanceTimersByTimeAsync(9);
        expect(model.entries).toHaveLength(0);
        await vi.advanceTimersByTimeAsync(1);
        await acked.promise;
        expect(model.entries).toHaveLength(2);
        last.resolve();
        yield Uint8Array.of(2);
      })(),
      { linger: 50, onAck: () => acked.resolve() },
    );
  await last.promise;
  expect(await produced).toMatchObject({ records: 3, transactions: 2 });
});

test("G10: takes from the source only what fits in flight and in one open batch", async () => {
  const model = new ModelService();
  const held = Promise.withResolvers<void>();
  const full = Promise.withResolvers<void>();
  let taken = 0;
  const transport = model.transport();
  const stream = transport.stream.bind(transport);
  transport.stream = (async (...args: Parameters<typeof stream>) => {
    await held.promise;
    return stream(...args);
  }) as typeof stream;
  const produced = createStreamkitClient({ transport })
    .store(STORE)
    .space("s")
    .segment("a")
    .produce(
      (function* () {
        for (; taken < 100; taken++) {
          if (taken === 11) full.resolve();
          yield new Uint8Array(1);
        }
      })(),
      { maxBatchRecords: 3, maxInFlight: 3 },
    );
  await full.promise;
  await new Promise((resolve) => setTimeout(resolve, 5));
  // Three transactions in flight and one that is full; the iterator has advanced to give the last record.
  expect(taken).toBe(11);
  held.resolve();
  expect(await produced).toMatchObject({ records: 100 });
});

test("with expectedLastSequence, each transaction expects what the one before it left", async () => {
  const model = new ModelService();
  const segment = spaceOf(model).segment("a");
  const records = Array.from({ length: 25 }, (_, i) => Uint8Array.of(i));
  expect(await segment.produce(records, { expectedLastSequence: 0, maxBatchRecords: 10 })).toMatchObject({
    transactions: 3,
    lastSequence: 25,
  });
  await expect(segment.produce(records, { expectedLastSequence: 24 })).rejects.toMatchObject({
    reason: "SEQUENCE_MISMATCH",
    actualLastSequence: 25,
    acknowledged: { records: 0, transactions: 0 },
  });
});

for (const duplex of [true, false]) {
  test(`G7: survives broken connections (${duplex ? "duplex" : "unary"})`, async () => {
    const model = new ModelService();
    let commits = 0;
    model.faults.afterCommit = () => {
      if (++commits % 3 === 0) throw unavailable();
    };
    const records = Array.from({ length: 100 }, (_, i) => Uint8Array.of(i));
    const summary = await spaceOf(model, duplex).segment("a").produce(records, { maxBatchRecords: 4 });
    expect(summary).toMatchObject({ records: 100, transactions: 25 });
    expect(bytesOf(model)).toEqual(records.map((record) => record[0]));
  });

  test(`a failure says what was acknowledged, and lets go of the source (${duplex ? "duplex" : "unary"})`, async () => {
    const model = new ModelService();
    model.faults.beforeResponse = (_, index) => {
      if (index === 2) throw failure(Code.ResourceExhausted, ErrorReason.DISK_FULL, false);
    };
    let released = false;
    const source = async function* () {
      try {
        for (let i = 0; ; i++) {
          yield Uint8Array.of(i);
          if (i === 11) await new Promise(() => {});
        }
      } finally {
        released = true;
      }
    };
    const produced = spaceOf(model, duplex).segment("a").produce(source(), { maxBatchRecords: 4, maxInFlight: 1 });
    await expect(produced).rejects.toMatchObject({
      reason: "DISK_FULL",
      acknowledged: { records: 8, transactions: 2 },
    });
    expect(bytesOf(model)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(released).toBe(false); // It waits for ever inside: nobody can end it, and nobody waits for it.
  });
}

test("a source that fails: what it gave before is written, then its error is thrown", async () => {
  const model = new ModelService();
  const broken = new Error("source");
  const source = (function* () {
    yield Uint8Array.of(1);
    throw broken;
  })();
  await expect(spaceOf(model).segment("a").produce(source)).rejects.toBe(broken);
  expect(bytesOf(model)).toEqual([1]);
});

test("an onAck that throws ends the production with its error", async () => {
  const model = new ModelService();
  const broken = new Error("handler");
  const onAck = () => {
    throw broken;
  };
  await expect(
    spaceOf(model)
      .segment("a")
      .produce([new Uint8Array(1)], { onAck }),
  ).rejects.toBe(broken);
});

test("the signal ends a production whose source is silent", async () => {
  const model = new ModelService();
  const controller = new AbortController();
  const source = (async function* () {
    yield new Uint8Array(1);
    await new Promise(() => {});
  })();
  const produced = spaceOf(model)
    .segment("a")
    .produce(source, { signal: controller.signal, onAck: () => controller.abort() });
  await expect(produced).rejects.toMatchObject({ reason: "CANCELED", acknowledged: { records: 1 } });
});

test("a production over segments keeps the order of each", async () => {
  const model = new ModelService();
  const source = Array.from({ length: 60 }, (_, i) => ({ segment: `s${i % 40}`, record: Uint8Array.of(i) }));
  expect(await spaceOf(model).produce(source)).toMatchObject({ records: 60, transactions: 2 });
  for (let s = 0; s < 40; s++) {
    const payloads = model.entries.filter((entry) => entry.segment === `s${s}`).map((entry) => entry.payload[0]);
    expect(payloads).toEqual(s < 20 ? [s, s + 40] : [s]);
  }
});
