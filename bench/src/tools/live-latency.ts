import type { FollowersJob, Sample } from "../peers/peer.ts";
import { payloadAt } from "./payloads.ts";
import { percentile } from "./statistics.ts";

/** A stream that grows while others follow it. */
export interface LiveStream {
  /** Appends one record, and resolves when it is durable. */
  append(payload: Uint8Array): Promise<unknown>;
  /** Follows the stream from its first entry until `signal` aborts, and calls `take` with each payload. */
  follow(take: (payload: Uint8Array) => void, signal: AbortSignal): Promise<void>;
}

/**
 * Appends at a fixed rate, whether or not earlier appends have their acks, while many follow. Resolves with
 * percentiles over all deliveries, in milliseconds: { p50, p99 } from the ack, at least 0, and { sent50, sent99 } from
 * the call of `append`.
 *
 * @throws Error unless each follower gets each entry once
 */
export async function measureLive(job: FollowersJob, stream: LiveStream): Promise<Sample> {
  const { followers, perSecond, period } = job;
  const warmUps = Math.ceil((period.warmUpMillis * perSecond) / 1_000);
  const appends = warmUps + Math.max(1, Math.ceil((period.millis * perSecond) / 1_000));
  const sent = new Float64Array(appends + 1);
  const acks = new Float64Array(appends + 1);
  const arrivals = Array.from({ length: appends + 1 }, (): number[] => []);
  const stop = new AbortController();
  let delivered = 0;
  let [wanted, enough] = [Number.POSITIVE_INFINITY, () => {}];
  let failed: (error: unknown) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    failed = reject;
  });
  const until = (deliveries: number) => {
    const reached = new Promise<void>((resolve) => {
      [wanted, enough] = [deliveries, resolve];
      if (delivered >= wanted) resolve();
    });
    return Promise.race([reached, failure]);
  };
  const take = (payload: Uint8Array) => {
    arrivals[numberOf(payload)].push(performance.now());
    if (++delivered >= wanted) enough();
  };
  const append = async (index: number) => {
    sent[index] = performance.now();
    await stream.append(numbered(index));
    acks[index] = performance.now();
  };

  // Each follower begins with the first entry. Its arrival shows that the follower is there.
  await append(0);
  const following = Array.from({ length: followers }, () => stream.follow(take, stop.signal).catch(failed));
  try {
    await until(followers);
    const begin = performance.now();
    const appending: Promise<void>[] = [];
    for (let index = 1; index <= appends; index++) {
      const due = begin + (index * 1_000) / perSecond;
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      appending.push(append(index));
    }
    await Promise.race([Promise.all(appending), failure]);
    await until(followers * (appends + 1));
  } finally {
    stop.abort();
    await Promise.all(following);
  }
  const missed = arrivals.findIndex((times) => times.length !== followers);
  if (missed >= 0)
    throw new Error(`entry ${missed} arrived ${arrivals[missed].length} times at ${followers} followers`);
  const measured = arrivals.slice(warmUps + 1);
  const since = (starts: Float64Array) =>
    Float64Array.from(
      measured.flatMap((times, i) => times.map((time) => Math.max(0, time - starts[warmUps + 1 + i]))),
    ).sort();
  const [fromAck, fromSent] = [since(acks), since(sent)];
  return {
    p50: percentile(fromAck, 0.5),
    p99: percentile(fromAck, 0.99),
    sent50: percentile(fromSent, 0.5),
    sent99: percentile(fromSent, 0.99),
  };
}

/** A payload of the usual size that begins with its number. */
function numbered(index: number): Buffer {
  const payload = Buffer.from(payloadAt(index));
  payload.writeUInt32LE(index);
  return payload;
}

function numberOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
}
