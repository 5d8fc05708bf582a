import { randomUUID } from "node:crypto";
import type { Transport } from "@connectrpc/connect";
import { createStreamkitClient, json, type StoreHandle } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import type { RunningServer } from "./peers.ts";

/** What tests of consumers handle. */
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
