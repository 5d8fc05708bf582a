/** The conditions under which calls replace a stream. */
import { expect, test } from "vitest";
import { connectionLost } from "../errors/error.ts";
import type { EncodedPage } from "../transport/peer.ts";
import { Streams } from "../transport/streams.ts";
import { type Connection, connect, firstResponse } from "./connection.ts";
import type { Read } from "./read.ts";

const STREAM: EncodedPage<number> = { batches: [], next: 1, caughtUp: true };
const CALLS: EncodedPage<number> = { batches: [], next: 2, caughtUp: true };
const signal = new AbortController().signal;

/** A read whose stream and calls answer when the test says so. */
class ScriptedRead {
  readonly stream = Promise.withResolvers<EncodedPage<number>>();
  readonly calls = Promise.withResolvers<EncodedPage<number>>();
  readonly polled = Promise.withResolvers<void>();
  readonly signals: AbortSignal[] = [];

  async *open(signal: AbortSignal) {
    this.signals.push(signal);
    yield await this.stream.promise;
  }

  async *poll(signal: AbortSignal) {
    this.signals.push(signal);
    this.polled.resolve();
    yield await this.calls.promise;
  }

  first(streams: Streams) {
    const read = this as unknown as Read<unknown, number>;
    return firstResponse(connect(read, streams), read, streams, signal);
  }
}

const pageOf = async (response: Promise<{ result: IteratorResult<EncodedPage<number>> }>) =>
  (await response).result.value;

test("calls that are answered replace a stream that stays silent, and the stream is freed", async () => {
  const read = new ScriptedRead();
  const first = read.first(new Streams("auto", 60));
  await read.polled.promise;
  read.calls.resolve(CALLS);
  expect(await pageOf(first)).toBe(CALLS);
  expect((await first).connection.polls).toBe(true);
  expect(read.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test("a stream that is late wins while calls get no answer either, as with a slow server", async () => {
  const read = new ScriptedRead();
  const first = read.first(new Streams("auto", 60));
  await read.polled.promise;
  read.stream.resolve(STREAM);
  expect(await pageOf(first)).toBe(STREAM);
  expect(read.signals.map(({ aborted }) => aborted)).toEqual([false, true]);
});

test("a stream that arrives soon after the answer of a call wins", async () => {
  const read = new ScriptedRead();
  const streams = new Streams("auto", 60);
  // The rest of a slow machine's time.
  Object.assign(streams, { graceMillis: 60_000 });
  const first = read.first(streams);
  await read.polled.promise;
  read.calls.resolve(CALLS);
  await read.calls.promise;
  read.stream.resolve(STREAM);
  expect(await pageOf(first)).toBe(STREAM);
});

test("calls that fail say nothing of the stream: its own end counts", async () => {
  const read = new ScriptedRead();
  const first = read.first(new Streams("auto", 60));
  await read.polled.promise;
  read.calls.reject(connectionLost("the server is gone"));
  await Promise.allSettled([read.calls.promise]);
  read.stream.reject(connectionLost("silence"));
  await expect(first).rejects.toThrow("silence");
});

test("the option and a stream that delivered nothing decide how reads connect", () => {
  const polls = (streams: Streams): boolean => {
    const connection: Connection<number> = connect(new ScriptedRead() as unknown as Read<unknown, number>, streams);
    return connection.polls;
  };
  const auto = new Streams("auto", 30_000);
  expect([polls(auto), auto.doubted, auto.doubtMillis]).toEqual([false, true, 5_000]);
  auto.distrust();
  expect(polls(auto)).toBe(true);
  expect(polls(new Streams("always", 30_000))).toBe(true);
  const never = new Streams("never", 30_000);
  expect([polls(never), never.doubted]).toEqual([false, false]);
});
