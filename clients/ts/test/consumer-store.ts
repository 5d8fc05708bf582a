import { randomUUID } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { type ConsumerOptions, createStreamkitClient, json, type StoreHandle } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import type { RunningServer } from "./peers.ts";

/** The values of entries in tests of consumers. */
export type Event = { n: number };
export type Store = StoreHandle<Event, Event>;

/** A store of a server, through a client of its own. */
export function openStore(
  { listener }: RunningServer,
  id: string = randomUUID(),
  transport: Transport = createNodeTransport({ baseUrl: listener.url }),
): Store {
  return createStreamkitClient({ transport }).store(id).withCodec(json<Event>());
}

/** Appends entries that count from 0, one after the other to each segment. */
export async function fill(store: Store, count: number, segments = 4, space = "orders"): Promise<void> {
  await store.space(space).produce(
    Array.from({ length: count }, (_, n) => ({ segment: `s${n % segments}`, record: { n } })),
    { maxBatchRecords: 20 },
  );
}

/** A transport that a test can stop from answering calls of some methods. Such calls end with their signal. */
export function silencing({ listener }: RunningServer): {
  readonly transport: Transport;
  /** Leaves calls unanswered from now on. */
  begin(...methods: string[]): void;
  /** Resolves with the first call that gets no answer. */
  readonly asked: Promise<void>;
} {
  const silent = new Set<string>();
  const asked = Promise.withResolvers<void>();
  const transport = createNodeTransport({
    baseUrl: listener.url,
    interceptors: [
      (next) => (request) => {
        if (!silent.has(request.method.name)) return next(request);
        asked.resolve();
        return new Promise((_, reject) => {
          request.signal.addEventListener("abort", () => reject(request.signal.reason));
        });
      },
    ],
  });
  const begin = (...methods: string[]) => {
    for (const method of methods) silent.add(method);
  };
  return { transport, begin, asked: asked.promise };
}

/** Runs a consumer until it has handled so many entries. */
export async function consume(
  store: Store,
  options: Partial<ConsumerOptions<Event, StoreHandle<Event, Event>>> & { until: number },
): Promise<{ segment: string; n: number }[]> {
  const seen: { segment: string; n: number }[] = [];
  const enough = Promise.withResolvers<void>();
  const { until, ...rest } = options;
  const consumer = store.consumer({
    name: "billing",
    spaces: ["orders"],
    handler: ({ segment, value }) => {
      seen.push({ segment, n: value.n });
      if (seen.length >= until) enough.resolve();
    },
    ...rest,
  });
  const running = consumer.run();
  await Promise.race([enough.promise, running]);
  await consumer.stop();
  await running;
  return seen;
}
