import { setTimeout as delay } from "node:timers/promises";
import { payloads } from "../../tools/payloads.ts";
import type { CountedInstance, Emulator } from "./emulator.ts";
import { requestsOf } from "./wire-counts.ts";

/** Costs of idle followers. */
export interface IdleFollowers {
  readonly spaces: number;
  readonly followersPerSpace: number;
  readonly requestsPerMinute: number;
}

/** Milliseconds between two polls of a followed space: Streamkit's default. */
const POLL_MILLIS = 1_000;

/**
 * Counts the requests of idle followers over some polls at the default interval. Counting begins halfway between two
 * polls, so that a delay of up to half an interval does not change the count.
 */
export async function measureIdleFollowers(
  emulator: Emulator,
  spaces: number,
  followersPerSpace: number,
  polls: number,
): Promise<IdleFollowers> {
  const instance = await emulator.open();
  const store = instance.client.store(`6f9619ff-8b86-4d01-b42d-f${String(spaces).padStart(11, "0")}`);
  const stop = new AbortController();
  const following: Promise<void>[] = [];
  for (let index = 0; index < spaces; index++) {
    const space = store.space(`s${index}`);
    await space.segment("s").append(payloads(1));
    for (let follower = 0; follower < followersPerSpace; follower++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      following.push(
        (async () => {
          for await (const _ of space.follow({ signal: stop.signal })) resolve();
        })().catch((error) => {
          if (!stop.signal.aborted) throw error;
        }),
      );
      await promise;
    }
  }
  // The first request may still belong to the start.
  await nextPoll(instance);
  await nextPoll(instance);
  await delay(POLL_MILLIS / 2);
  const { wire } = await instance.during(() => delay(polls * POLL_MILLIS));
  stop.abort();
  await Promise.all(following);
  return { spaces, followersPerSpace, requestsPerMinute: (requestsOf(wire) * 60_000) / (polls * POLL_MILLIS) };
}

/** Waits for the next request of the instance. */
async function nextPoll(instance: CountedInstance): Promise<void> {
  const before = requestsOf(instance.counts);
  const end = performance.now() + 10 * POLL_MILLIS;
  while (requestsOf(instance.counts) === before) {
    if (performance.now() > end) throw new Error("a followed space is not polled");
    await delay(5);
  }
}
