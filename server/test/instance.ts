import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  CursorService,
  type ErrorDetail,
  ErrorDetailSchema,
  LeaseService,
  PresenceService,
  SegmentAppendSchema,
  StoreService,
  StreamService,
} from "@streamkit/protocol";
import { expect } from "vitest";
import { Accounts } from "../src/budgets/account.ts";
import { Admission } from "../src/budgets/admission.ts";
import { type ServerLimits, serverLimits } from "../src/budgets/limits.ts";
import { parseSegmentAppend, type SegmentAppend } from "../src/engine/append/segment-append.ts";
import type { Clock } from "../src/engine/clock.ts";
import type { OpenStore } from "../src/engine/open-store.ts";
import { OpenStores, type OpenStoresOptions } from "../src/engine/open-stores.ts";
import type { EventKind, StreamkitEvent } from "../src/event.ts";
import { Events } from "../src/events.ts";
import { StorageHealth } from "../src/health.ts";
import { toConnectError } from "../src/routes/connect-error.ts";
import { createImplementations } from "../src/routes/index.ts";
import { createRoutes } from "../src/routes/mount.ts";
import { changedStorage } from "../src/storage/changed-storage.ts";
import type { Storage, StorageLimits } from "../src/storage/port.ts";

export interface InstanceOptions extends Partial<OpenStoresOptions> {
  readonly clock?: Clock;
  readonly limits?: Partial<ServerLimits>;
}

/** Kinds of events for failures that no caller sees. */
const UNSEEN: ReadonlySet<EventKind> = new Set(["background-failed", "internal-error", "uncaught"]);

/** One server instance without a network: the parts of createStreamkit, accessible to tests. */
export function makeInstance(storage: Storage, options: InstanceOptions = {}) {
  const limits = serverLimits(options.limits);
  const failures: StreamkitEvent[] = [];
  const events = new Events((event) => {
    if (UNSEEN.has(event.kind)) failures.push(event);
  });
  const openStores = new OpenStores(storage, {
    clock: () => Date.now() * 1_000,
    dedupeWindowMicros: 600_000_000,
    compression: "none",
    pollMillis: 20,
    maxOpenStores: 1_000,
    idleMillis: 300_000,
    events,
    ...options,
  });
  const shutdown = new AbortController();
  const health = new StorageHealth(storage, events);
  const implementations = createImplementations({
    storage,
    openStores,
    limits,
    authenticated: false,
    dedupeWindowMillis: 600_000,
    shutdown: shutdown.signal,
    events,
    health,
  });
  const admission = new Admission({ limits, server: new Accounts(limits).server, toError: toConnectError });
  const routes = createRoutes({
    implementations,
    admission,
    events,
    entrance: { transport: "in-process", trusted: true },
  });
  const transport = createRouterTransport(routes);
  return {
    openStores,
    transport,
    stream: createClient(StreamService, transport),
    stores: createClient(StoreService, transport),
    leases: createClient(LeaseService, transport),
    cursors: createClient(CursorService, transport),
    presence: createClient(PresenceService, transport),
    events,
    health,
    /** Failures that no caller has seen: background work and defects. */
    failures,
    /** Runs an action on an open store. */
    async withStore<T>(storeId: string, action: (store: OpenStore) => Promise<T>): Promise<T> {
      using lease = await openStores.acquire(storeId);
      return await action(lease.store);
    },
    /** Resolves when the store has no background work. */
    async settle(storeId: string): Promise<void> {
      using lease = await openStores.acquire(storeId);
      await lease.store.settled();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      shutdown.abort();
      health.close();
      await openStores.close();
    },
  };
}

export type Instance = ReturnType<typeof makeInstance>;

/** Ends the instances of a test. Fails the test if their background work failed. */
export async function endInstances(instances: readonly Instance[]): Promise<void> {
  for (const instance of instances) {
    await instance[Symbol.asyncDispose]();
    expect(instance.failures).toEqual([]);
  }
}

/** The detail of a failed call; undefined if it succeeded. */
export async function failureOf(call: Promise<unknown>): Promise<ErrorDetail | undefined> {
  const error = await call.then(
    () => undefined,
    (reason) => ConnectError.from(reason),
  );
  return error?.findDetails(ErrorDetailSchema)[0];
}

/** The same storage with other limits, so that small data takes the code paths of large data. */
export function withLimits(storage: Storage, limits: Partial<StorageLimits>): Storage {
  return changedStorage(storage, (store) => ({ limits: { ...store.limits, ...limits } }));
}

/** Encodes and parses a part of a transaction, as the route of Append does. */
export function segmentAppend(part: {
  segment: string;
  payloads?: readonly Uint8Array[];
  expected?: bigint;
  token?: bigint;
}): SegmentAppend {
  const message = create(SegmentAppendSchema, {
    segment: part.segment,
    expectedLastSequence: part.expected,
    fencingToken: part.token,
    records: (part.payloads ?? []).map((payload) => ({ payload })),
  });
  return parseSegmentAppend(toBinary(SegmentAppendSchema, message), "appends[0]");
}
