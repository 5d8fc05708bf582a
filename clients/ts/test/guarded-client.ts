import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "vitest";
import {
  type ClientOptions,
  createStreamkitClient,
  json,
  type RetryEvent,
  type StoreHandle,
  StreamkitError,
} from "../src/index.ts";
import { GUARDED_TRANSPORTS, Guard, startGuarded } from "./guarded-server.ts";

/** A guarded server, and a client whose tokens come from the guard. */
export async function guarded(
  kind: string,
  { guard = new Guard(), ...options }: Partial<ClientOptions & { guard: Guard }> = {},
) {
  const server = await startGuarded(guard);
  const events: RetryEvent[] = [];
  const asked: string[] = [];
  const token = () => {
    asked.push(guard.issue());
    return asked[asked.length - 1];
  };
  const client = createStreamkitClient({
    transport: GUARDED_TRANSPORTS[kind](server),
    token,
    onRetry: (event) => void events.push(event),
    ...options,
  });
  const store = client.store(randomUUID()).withCodec(json<number>());
  return { guard, server, events, asked, client, store, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** The reasons of the retries. */
export const reasons = (events: readonly RetryEvent[]) => events.map(({ error }) => (error as StreamkitError).reason);

/** Everything that an error tells a log. */
export function told(error: unknown): string {
  return `${inspect(error, { depth: 20, showHidden: true, getters: true })}${(error as Error).stack}`;
}

/** Makes every kind of call, and returns their errors. */
export async function failAll(store: StoreHandle<number, number>, without: string[] = []): Promise<StreamkitError[]> {
  const segment = store.space("s").segment("a");
  const calls: Record<string, () => Promise<unknown>> = {
    status: () => segment.status(),
    append: () => segment.publish(1),
    produce: () => segment.produce([1]),
    consume: () => segment.consume()[Symbol.asyncIterator]().next(),
    follow: () => segment.follow()[Symbol.asyncIterator]().next(),
    subscribe: () => segment.subscribe({}).next(),
    lease: () => store.withLease("key", { ttl: 10_000 }, async () => {}),
    cursor: () => store.cursors.commit("cursor", { s: 1 }),
  };
  const failures: StreamkitError[] = [];
  for (const [name, call] of Object.entries(calls)) {
    if (without.includes(name)) continue;
    const failure = await call().then(
      () => expect.fail(`${name} succeeded`),
      (thrown) => thrown,
    );
    expect(failure, name).toBeInstanceOf(StreamkitError);
    failures.push(failure);
  }
  return failures;
}
