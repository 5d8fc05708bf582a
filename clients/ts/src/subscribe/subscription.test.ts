/** A subscription over scripted connections. */
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { connectionLost } from "../errors/error.ts";
import type { RetryEvent } from "../retry/backoff.ts";
import { Subscription, type SubscriptionOptions } from "./subscription.ts";

type Event = "status" | "live";

/** A subscription whose n-th connection yields what `connect` does; counts attempts without waiting for them. */
function subscribe(
  connect: (connection: number) => Iterable<Event | undefined>,
  options: SubscriptionOptions = {},
  maxAttempts = Number.POSITIVE_INFINITY,
) {
  const failures: number[] = [];
  let connections = 0;
  const source = {
    heartbeatMillis: 15_000,
    isLive: (event: Event) => event === "live",
    async *open() {
      yield* connect(++connections);
    },
  };
  const retry = { initialDelayMillis: 0, maxDelayMillis: 0, maxAttempts };
  const onRetry = ({ attempt }: RetryEvent) => void failures.push(attempt);
  return { subscription: new Subscription<Event>(source, { retry, onRetry }, options), failures };
}

function* cutAfter(...events: (Event | undefined)[]): Generator<Event | undefined> {
  yield* events;
  throw connectionLost("cut");
}

async function lastOf(subscription: Subscription<Event>, events: number): Promise<void> {
  for (let event = 0; event < events; event++) await subscription.next();
  subscription.close();
}

describe("a subscription", () => {
  // A proxy that ends each stream after its first response would get a whole snapshot every few milliseconds, for ever.
  it("that never gets beyond its snapshot is made again after pauses that grow", async () => {
    const { subscription, failures } = subscribe(() => cutAfter("status", "live"));
    await lastOf(subscription, 10);
    expect(failures).toEqual([1, 2, 3, 4]);
  });

  it.each<[string, Event | undefined]>([
    ["a change", "status"],
    ["a heartbeat", undefined],
  ])("that gets %s after its snapshot begins to count anew", async (_, event) => {
    const { subscription, failures } = subscribe((connection) =>
      connection === 3 ? cutAfter("live", event) : cutAfter("live"),
    );
    await lastOf(subscription, event === undefined ? 5 : 6);
    expect(failures).toEqual([1, 2, 1, 2]);
  });

  const bug = new Error("bug of the caller");
  const throwBug = () => {
    throw bug;
  };

  it("fails when a callback throws, and says so", async () => {
    const { subscription } = subscribe(() => cutAfter("live", "status"));
    await expect(subscription.deliver(throwBug)).rejects.toMatchObject({ reason: "UNKNOWN", cause: bug });
    expect(subscription.state).toMatchObject({ name: "ended", reason: { cause: bug } });
  });

  it("fails when whoever is told of its state throws", async () => {
    const onStateChange = ({ name }: { name: string }) => name === "live" && throwBug();
    const { subscription, failures } = subscribe(() => cutAfter("live", "status"), { onStateChange });
    expect(await subscription.next()).toMatchObject({ value: "live" });
    await expect(subscription.next()).rejects.toMatchObject({ cause: bug });
    expect([subscription.state.name, failures]).toEqual(["ended", []]);
    const other = subscribe(() => cutAfter("live"), { onStateChange: throwBug });
    await expect(other.subscription.next()).rejects.toMatchObject({ cause: bug });
  });

  it("leaves nothing with its signal when it has failed", async () => {
    const { signal } = new AbortController();
    const { subscription } = subscribe(() => cutAfter(), { signal }, 2);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await expect(subscription.next()).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
