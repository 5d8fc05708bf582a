import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { EntryBatchSchema, ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { failure, ModelService, unavailable } from "../../test/model-service.ts";
import { bytes, type Codec } from "../codec.ts";
import { createStreamkitClient } from "../index.ts";
import type { RetryEvent } from "../retry/backoff.ts";
import type { EncodedPage, Peer } from "../transport/peer.ts";
import { Streams } from "../transport/streams.ts";
import { consumption } from "./consumption.ts";
import { SegmentRead } from "./segment-read.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const NO_DELAY = { initialDelayMillis: 0, maxDelayMillis: 0 };

afterEach(() => {
  vi.useRealTimers();
});

function segmentOf(model: ModelService, retry: object = NO_DELAY) {
  return createStreamkitClient({ transport: model.transport(), retry }).store(STORE).space("s").segment("a");
}

async function sequences(entries: AsyncIterable<{ sequence: number }>): Promise<number[]> {
  const seen: number[] = [];
  for await (const entry of entries) seen.push(entry.sequence);
  return seen;
}

test("G8: resumes at every response boundary without gap or duplicate", async () => {
  const bounds = fc.record({
    minSequence: fc.integer({ min: 0, max: 12 }),
    maxSequence: fc.integer({ min: 0, max: 12 }),
    limit: fc.integer({ min: 0, max: 12 }),
    last: fc.integer({ min: 0, max: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(
      bounds,
      fc.uniqueArray(fc.nat(12), { maxLength: 6 }),
      fc.integer({ min: 1, max: 4 }),
      async (options, breaks, size) => {
        const model = new ModelService();
        model.batchSize = size;
        model.fill("a", 10);
        const expected = await sequences(segmentOf(model).consume(options));
        let response = 0;
        model.faults.beforeResponse = () => {
          if (breaks.includes(response++)) throw unavailable();
        };
        expect(await sequences(segmentOf(model).consume(options))).toEqual(expected);
      },
    ),
    { numRuns: 200 },
  );
});

test("`last` is a position after the first response: what is appended during a reconnect is not skipped", async () => {
  const model = new ModelService();
  model.fill("a", 10);
  let broken = false;
  model.faults.beforeResponse = (_, index) => {
    if (index === 1 && !broken) {
      broken = true;
      model.fill("a", 5);
      throw unavailable();
    }
  };
  expect(await sequences(segmentOf(model).consume({ last: 2 }))).toEqual([9, 10, 11, 12, 13, 14, 15]);
});

test("a failure that retries cannot help ends the read with it, after what came before", async () => {
  const model = new ModelService();
  model.fill("a", 10);
  model.faults.beforeResponse = (_, index) => {
    if (index === 2) throw failure(Code.DataLoss, ErrorReason.DATA_LOSS, false);
  };
  const seen: number[] = [];
  const reading = (async () => {
    for await (const entry of segmentOf(model).consume()) seen.push(entry.sequence);
  })();
  await expect(reading).rejects.toMatchObject({ name: "StreamkitError", reason: "DATA_LOSS", code: "data_loss" });
  expect(seen).toEqual([1, 2, 3]);
});

test("a bounded read gives up after maxAttempts in a row; progress starts the count anew", async () => {
  const model = new ModelService();
  model.fill("a", 9);
  let failures = 0;
  model.faults.beforeResponse = (_, index) => {
    // Two responses per connection: the second has entries.
    if (index === 2) {
      failures += 1;
      throw unavailable();
    }
  };
  expect(await sequences(segmentOf(model, { ...NO_DELAY, maxAttempts: 2 }).consume())).toHaveLength(9);
  expect(failures).toBe(3);
  model.faults.beforeResponse = (_, index) => {
    if (index === 1) throw unavailable();
  };
  await expect(sequences(segmentOf(model, { ...NO_DELAY, maxAttempts: 4 }).consume())).rejects.toMatchObject({
    reason: "STORAGE_UNAVAILABLE",
  });
});

test("leaving the loop frees the call at once", async () => {
  const peer = new ScriptedPeer();
  const read = readOf(peer, { follow: true });
  peer.say(page([1, 2], 3));
  for await (const entry of read) if (entry.sequence === 2) break;
  expect(peer.signals.map((signal) => signal.aborted)).toEqual([true]);
});

test("the caller's signal ends a waiting read with CANCELED", async () => {
  const peer = new ScriptedPeer();
  const controller = new AbortController();
  const reading = sequences(readOf(peer, { follow: true, signal: controller.signal }));
  peer.say(page([1], 2));
  await peer.waiting;
  controller.abort(new Error("enough"));
  await expect(reading).rejects.toMatchObject({ reason: "CANCELED", cause: new Error("enough") });
  expect(peer.signals[0].aborted).toBe(true);
});

test("follow: a clean end before everything was sent is a broken connection", async () => {
  const peer = new ScriptedPeer();
  const iterator = readOf(peer, { follow: true })[Symbol.asyncIterator]();
  peer.say(page([1], 2));
  await iterator.next();
  peer.say("end");
  peer.say(page([2], 3));
  expect((await iterator.next()).value?.sequence).toBe(2);
  await iterator.return();
});

test("G8: entries that come again are dropped, also in the middle of a batch", async () => {
  const peer = new ScriptedPeer();
  peer.say(page([1, 2, 3], 4));
  peer.say(new ConnectError("reset", Code.Aborted));
  peer.say(page([1, 2], 3));
  peer.say(page([3, 4, 5], 6));
  peer.say("end");
  expect(await sequences(readOf(peer, {}))).toEqual([1, 2, 3, 4, 5]);
});

test("G11: a gap that no trim explains is DATA_LOSS; one that a trim explains is not", async () => {
  for (const [firstRetained, outcome] of [
    [1, "DATA_LOSS"],
    [4, "DATA_LOSS"],
    [5, [1, 2, 5, 6]],
  ] as const) {
    const peer = new ScriptedPeer();
    peer.firstRetained = firstRetained;
    peer.say(page([1, 2], 3));
    peer.say(page([5, 6], 7));
    peer.say("end");
    const reading = sequences(readOf(peer, {}));
    if (outcome === "DATA_LOSS") await expect(reading).rejects.toMatchObject({ reason: "DATA_LOSS", segment: "a" });
    else expect(await reading).toEqual(outcome);
  }
});

test("G11: a position that moves on without entries is a gap too", async () => {
  const peer = new ScriptedPeer();
  peer.say(page([1, 2], 5));
  await expect(sequences(readOf(peer, {}))).rejects.toMatchObject({ reason: "DATA_LOSS" });
});

test("onCaughtUp comes after the entries before the head, once per arrival there", async () => {
  const peer = new ScriptedPeer();
  const events: (number | string)[] = [];
  const iterator = readOf(peer, { follow: true, onCaughtUp: () => events.push("head") })[Symbol.asyncIterator]();
  const take = async () => events.push((await iterator.next()).value!.sequence);
  peer.say(page([], 1));
  peer.say(page([1, 2], 3, true));
  await take();
  await take();
  peer.say(page([], 3, true));
  peer.say(page([3], 4));
  peer.say(page([4], 5, true));
  await take();
  await take();
  peer.say(page([5], 6, true));
  await take();
  expect(events).toEqual([1, 2, "head", 3, 4, "head", 5]);
  await iterator.return();
});

test("calls of next() that overlap are answered in order", async () => {
  const model = new ModelService();
  model.fill("a", 7);
  const iterator = segmentOf(model).consume()[Symbol.asyncIterator]();
  const results = await Promise.all(Array.from({ length: 9 }, () => iterator.next()));
  expect(results.map((result) => result.value?.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, undefined, undefined]);
});

type Line = EncodedPage<number> | Error | "end";

/** Answers every consume call from one script: a connection takes lines until one ends it. */
class ScriptedPeer {
  readonly requests: { minSequence: bigint }[] = [];
  readonly signals: AbortSignal[] = [];
  firstRetained = 1;
  last = 0;
  readonly #lines: Line[] = [];
  #wake: (() => void) | undefined;
  readonly #idle = Promise.withResolvers<void>();
  /** Resolves when a connection waits for a line that is not there. */
  readonly waiting = this.#idle.promise;

  say(line: Line): void {
    this.#lines.push(line);
    this.#wake?.();
  }

  async *consumeSegment(request: { minSequence: bigint }, signal: AbortSignal): AsyncGenerator<EncodedPage<number>> {
    this.requests.push(request);
    this.signals.push(signal);
    while (!signal.aborted) {
      const line = this.#lines.shift();
      if (line === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener("abort", () => resolve());
          this.#idle.resolve();
        });
      } else if (line === "end") return;
      else if (line instanceof Error) throw line;
      else yield line;
    }
  }
}

function readOf(peer: ScriptedPeer, options: Parameters<typeof consumption>[2], retries: RetryEvent[] = []) {
  const source = {
    storeId: STORE,
    space: "s",
    segment: "a",
    peer: peer as unknown as Peer,
    status: async () => ({ first: peer.firstRetained, last: peer.last }),
  };
  const policy = {
    retry: NO_DELAY,
    onRetry: (event: RetryEvent) => void retries.push(event),
    streams: new Streams("never", 1_000),
  };
  return consumption(() => new SegmentRead(source, options, bytes as Codec<Uint8Array, never>), policy, options);
}

function page(present: number[], next: number, caughtUp = false): EncodedPage<number> {
  const position = BigInt(present[0] ?? 0);
  const init = {
    space: "s",
    segment: "a",
    firstSequence: position,
    firstOffset: position,
    records: present.map(() => ({})),
  };
  const batches = present.length === 0 ? [] : [toBinary(EntryBatchSchema, create(EntryBatchSchema, init))];
  return { batches, next, caughtUp };
}
