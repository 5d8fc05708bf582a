import type { Entry, SpaceHandle } from "@streamkit/client";
import type { Flight } from "./flights.ts";

/** A running follower. */
export interface Following {
  /** Resolves when the follower has reached the head and waits for new entries. */
  readonly ready: Promise<void>;
  /** Resolves when `count` entries have arrived. */
  readonly done: Promise<readonly Entry<Flight>[]>;
}

/** Follows a space from an offset on until `count` entries have arrived. */
export function followLive(
  space: SpaceHandle<Flight, Flight>,
  options: { from: number; count: number; signal: AbortSignal; onEntry(received: number): void },
): Following {
  const { from, count, signal, onEntry } = options;
  const { promise: ready, resolve: onCaughtUp, reject } = Promise.withResolvers<void>();
  const follow = async () => {
    const received: Entry<Flight>[] = [];
    for await (const entry of space.follow({ minOffset: from, limit: count, signal, onCaughtUp })) {
      received.push(entry);
      onEntry(received.length);
    }
    return received;
  };
  const done = follow();
  // If the follower fails before it is ready, `ready` must reject too.
  done.catch(reject);
  ready.catch(() => undefined);
  return { ready, done };
}
