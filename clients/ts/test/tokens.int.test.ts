import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createStreamkitClient, json, type ReadState, type RetryEvent, type StoreHandle } from "../src/index.ts";
import { failAll, guarded, reasons, told } from "./guarded-client.ts";
import { GUARDED_TRANSPORTS, Guard, startGuarded, startWithJwts } from "./guarded-server.ts";

const KINDS = Object.keys(GUARDED_TRANSPORTS);

/** Every kind of call of a client. */
async function callAll(store: StoreHandle<number, number>): Promise<void> {
  const space = store.space("s");
  const segment = space.segment("a");
  await segment.publish(1);
  await segment.produce([2, 3]);
  await segment.peek();
  for await (const _ of segment.consume());
  for await (const _ of space.consume());
  for await (const _ of store.consume({ spaces: { s: 0 } }));
  for await (const _ of space.listSegments());
  await using subscription = segment.subscribe({});
  await subscription.next();
  await store.withLease("key", { ttl: 10_000 }, async () => {});
  await store.cursors.commit("cursor", { s: 1 });
  await using membership = store.presence("group").join({ id: "worker" });
  await membership.joined;
}

describe.each(KINDS)("over %s", (kind) => {
  test("every call carries the token", async () => {
    await using here = await guarded(kind);
    await here.client.serverInfo();
    await callAll(here.store);
    expect(here.asked).toHaveLength(1);
    expect(new Set(here.guard.calls.map(({ method }) => method)).size).toBeGreaterThan(11);
    expect(here.guard.calls.filter(({ token }) => token !== here.asked[0])).toEqual([]);
    expect(here.events).toEqual([]);
  });

  test("a fixed token reaches the server; its refusal reaches the caller at once", async () => {
    const guard = new Guard();
    await using server = await startGuarded(guard);
    const open = (token: string) => {
      const client = createStreamkitClient({ transport: GUARDED_TRANSPORTS[kind](server), token });
      return client.store(randomUUID()).withCodec(json<number>());
    };
    await open(guard.issue()).space("s").segment("a").publish(1);
    guard.attempts.length = 0;
    const segment = open("forged").space("s").segment("a");
    const refused = { reason: "TOKEN_INVALID", code: "unauthenticated", retryable: false };
    await expect(segment.publish(1)).rejects.toMatchObject(refused);
    await expect(segment.produce([1])).rejects.toMatchObject(refused);
    await expect(segment.follow()[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused);
    await expect(segment.subscribe({}).next()).rejects.toMatchObject(refused);
    expect(guard.attempts).toEqual(Array(4).fill("forged"));
  });

  test("gets another token after a refusal, once for a hundred calls", async () => {
    await using here = await guarded(kind);
    const segment = here.store.space("s").segment("a");
    const hundred = () => Promise.all(Array.from({ length: 100 }, () => segment.status()));
    await hundred();
    expect(here.asked).toHaveLength(1);
    here.guard.expireAll();
    await hundred();
    expect(here.asked).toHaveLength(2);
    expect(here.events).toHaveLength(here.guard.refusals);
    expect(new Set(reasons(here.events))).toEqual(new Set(["TOKEN_EXPIRED"]));
    expect(here.events.every(({ attempt, delayMillis }) => attempt === 1 && delayMillis === 0)).toBe(true);
  });

  test("gets another token without retries of other failures", async () => {
    await using here = await guarded(kind, { retry: { maxAttempts: 1 } });
    const segment = here.store.space("s").segment("a");
    await segment.publish(1);
    here.guard.expireAll();
    await segment.publish(2);
    here.guard.expireAll();
    await segment.produce([3]);
    expect((await segment.status()).lastSequence).toBe(3);
  });

  test("tells the caller when the server refuses the second token too", async () => {
    let asked = 0;
    await using here = await guarded(kind, { token: () => `forged-${++asked}` });
    const segment = here.store.space("s").segment("a");
    const refused = { reason: "TOKEN_INVALID", retryable: false };
    for (const call of [
      () => segment.publish(1),
      () => segment.produce([1]),
      () => segment.follow()[Symbol.asyncIterator]().next(),
      () => segment.subscribe({}).next(),
    ]) {
      await expect(call()).rejects.toMatchObject(refused);
    }
    // The first call asks twice, each later one once: its token is in place of a refused one.
    expect(asked).toBe(5);
    expect(here.guard.attempts).toEqual([1, 2, 3, 4, 5].map((n) => `forged-${n}`));
  });

  test("does not repeat a call that the token does not cover", async () => {
    await using here = await guarded(kind);
    here.guard.verbs = ["append"];
    const segment = here.store.space("s").segment("a");
    const denied = { reason: "PERMISSION_DENIED", code: "permission_denied", retryable: false };
    await expect(segment.status()).rejects.toMatchObject(denied);
    await expect(segment.follow()[Symbol.asyncIterator]().next()).rejects.toMatchObject(denied);
    expect(here.guard.attempts).toHaveLength(2);
    expect(here.asked).toHaveLength(1);
    expect(here.events).toEqual([]);
  });

  test("a follower sees every entry once, in order, over the ends of its tokens", async () => {
    await using here = await guarded(kind);
    const segment = here.store.space("s").segment("a");
    const seen: number[] = [];
    let expiries = 0;
    await segment.publish(0);
    for await (const { value, sequence } of segment.follow()) {
      expect(sequence).toBe(value + 1);
      seen.push(value);
      if (seen.length === 20) break;
      // Before or after the append, so that the entry is on its way, or the follower waits at the head.
      if (value % 3 === 0) expiries += 1;
      if (value % 6 === 0) here.guard.expireAll();
      await segment.publish(value + 1);
      if (value % 6 === 3) here.guard.expireAll();
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(here.asked.length).toBeGreaterThan(expiries - 2);
    expect(new Set(reasons(here.events))).toEqual(new Set(["TOKEN_EXPIRED"]));
  });

  test("a production writes every record once, in order, over the ends of its tokens", async () => {
    await using here = await guarded(kind);
    const segment = here.store.space("s").segment("a");
    const count = 60;
    let durable = 0;
    const source = async function* () {
      for (let n = 0; n < count; n++) {
        if (n % 15 === 7) here.guard.expireAll();
        yield n;
      }
    };
    const onAck = () => {
      durable += 1;
      if (durable % 10 === 5) here.guard.expireAll();
    };
    const summary = await segment.produce(source(), { maxBatchRecords: 2, maxInFlight: 4, onAck });
    expect(summary).toMatchObject({ records: count, firstSequence: 1, lastSequence: count });
    const { entries } = await segment.load();
    expect(entries.map(({ value }) => value)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(here.asked.length).toBeGreaterThan(2);
  });

  test("subscriptions, presence and consumers continue with another token", async () => {
    await using here = await guarded(kind);
    const { store, guard } = here;
    const segment = store.space("s").segment("a");
    const subscription = segment.subscribe({});
    const subscribed = async (last: number) => {
      for await (const event of subscription) if (event.kind === "status" && event.status.lastSequence === last) return;
    };
    await using membership = store.presence("group").join({ id: "worker" });
    await membership.joined;
    const handled: number[] = [];
    const arrived = new Map<number, () => void>();
    const consumer = store.consumer({
      name: "consumer",
      spaces: ["s"],
      handler({ value }) {
        handled.push(value);
        arrived.get(value)?.();
      },
    });
    const running = consumer.run();
    for (let n = 0; n < 4; n++) {
      const done = new Promise<void>((resolve) => arrived.set(n, resolve));
      await segment.publish(n);
      await done;
      await subscribed(n + 1);
      guard.expireAll();
    }
    expect(handled).toEqual([0, 1, 2, 3]);
    await consumer.stop();
    await running;
    expect(membership.state.name).not.toBe("ended");
    subscription.close();
  });
});

test.each(["Connect, HTTP/2", "Connect, HTTP/1.1", "WebSocket", "Connect, fetch", "in-process"])(
  "a follower sees every entry once over several JWTs that live for two seconds, over %s",
  async (kind) => {
    await using server = await startWithJwts();
    const events: RetryEvent[] = [];
    const client = createStreamkitClient({
      transport: GUARDED_TRANSPORTS[kind](server),
      token: () => server.issue(2_000),
      onRetry: (event) => void events.push(event),
    });
    const segment = client.store(randomUUID()).space("s").segment("a").withCodec(json<number>());
    const seen: number[] = [];
    const writing = new AbortController();
    const writer = (async () => {
      for (let n = 0; !writing.signal.aborted; n++) {
        await segment.publish(n);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    try {
      for await (const { value } of segment.follow()) {
        seen.push(value);
        if (events.length >= 3) break;
      }
    } finally {
      writing.abort();
      await writer;
    }
    expect(seen).toEqual(seen.map((_, i) => i));
    // The stream cannot change its token. Calls get theirs ahead of the end.
    expect(new Set(reasons(events))).toEqual(new Set(["TOKEN_EXPIRED"]));
  },
);

test.each(KINDS)("no error, event or state tells the token, over %s", async (kind) => {
  const spoken: unknown[] = [];
  let isGood = true;
  let asked = 0;
  await using here = await guarded(kind, {
    token: () => (isGood ? here.guard.issue() : `SECRETforged${++asked}`),
    onRetry: (event) => void spoken.push(event, event.error),
    retry: { initialDelayMillis: 1, maxDelayMillis: 1, maxAttempts: 2 },
  });
  const segment = here.store.space("s").segment("a");
  const onStateChange = (state: ReadState) => void spoken.push(state, "reason" in state && state.reason);
  await segment.publish(0);
  const entries = segment.follow({ onStateChange })[Symbol.asyncIterator]();
  await entries.next();
  here.guard.expireAll();
  await segment.publish(1);
  await entries.next();
  here.guard.verbs = ["append"];
  spoken.push(await segment.status().catch((error) => error));
  isGood = false;
  here.guard.expireAll();
  spoken.push(await entries.next().catch((error) => error));
  spoken.push(...(await failAll(here.store)));
  await here.server.streamkit.close();
  spoken.push(await segment.status().catch((error) => error), await segment.publish(2).catch((error) => error));
  spoken.push(here.client, here.store, segment);
  expect(asked).toBeGreaterThan(5);
  expect(spoken.length).toBeGreaterThan(20);
  for (const one of spoken) expect(told(one)).not.toContain("SECRET");
});
