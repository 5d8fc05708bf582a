import type { Transport } from "@connectrpc/connect";
import { type GetServerInfoResponse, LIMITS, StoreService } from "@streamkit/protocol";
import { type ClientContext, call } from "./context.ts";
import { type Listing, listing, type PageOptions } from "./listing.ts";
import type { RetryEvent, RetryOptions } from "./retry/backoff.ts";
import { StoreHandle } from "./store.ts";
import { durationMillis } from "./time.ts";
import { Contact } from "./transport/contact.ts";
import { transportDescription } from "./transport/description.ts";
import { opaquePeer } from "./transport/opaque-peer.ts";
import { publicPeer } from "./transport/public-peer.ts";

/** How a client connects and behaves. */
export interface ClientOptions {
  /**
   * How to reach the server: from `@streamkit/client/node`, `@streamkit/client/web`, a server in this process, or any
   * other Connect transport (see `describeTransport`).
   */
  readonly transport: Transport;
  /** How transient failures are retried. */
  readonly retry?: RetryOptions;
  /** Told before each retry and each reconnect. */
  readonly onRetry?: (event: RetryEvent) => void;
  /**
   * Longest wait for a server that owes an answer, in milliseconds. Default 30,000. It ends a unary attempt, a read and a
   * Produce session that wait so long for their next response, with CONNECTION_LOST; they are then tried again, or
   * resumed. At the head, `follow` and subscriptions wait for two heartbeats instead.
   */
  readonly timeoutMillis?: number;
  /** Overrides what is known about the transport's encoding of messages. */
  readonly wireFormat?: "binary" | "json";
}

/** What a server is. */
export interface ServerInfo {
  /** The server's version. */
  readonly version: string;
  /** The limits in force; meaning and units: proto/streamkit/v1/limits.proto. */
  readonly limits: Readonly<Record<keyof typeof LIMITS, number>>;
  /** What the server can do, sorted. */
  readonly capabilities: readonly string[];
  /** Kind of storage behind it. */
  readonly storage: string;
  /** How long a transaction id without an expectation is remembered, in milliseconds. */
  readonly dedupeWindowMillis: number;
}

/** The entry to everything. Holds no connection of its own: that is the transport's. */
export interface StreamkitClient {
  /** A handle on a store; no I/O. `id` is a UUID. */
  store(id: string): StoreHandle;
  /** The ids of all stores, in byte order. Needs admin rights. */
  listStores(options?: PageOptions): Listing<string>;
  /** What the server is and can do. */
  serverInfo(options?: { signal?: AbortSignal }): Promise<ServerInfo>;
}

/** Makes a client; no I/O. */
export function createStreamkitClient(options: ClientOptions): StreamkitClient {
  const context = createContext(options);
  return {
    store: (id) => new StoreHandle(context, id),
    listStores: (page = {}) =>
      listing(page, async (pageSize, pageToken) => {
        const response = await call(context, StoreService.method.listStores, { pageSize, pageToken }, page.signal);
        return { items: response.stores.map((store) => store.storeId), nextPageToken: response.nextPageToken };
      }),
    async serverInfo({ signal } = {}) {
      return toServerInfo(await call(context, StoreService.method.getServerInfo, {}, signal));
    },
  };
}

function createContext(options: ClientOptions): ClientContext {
  const { transport, retry = {}, onRetry, timeoutMillis = 30_000 } = options;
  const description = transportDescription(transport);
  const format = options.wireFormat ?? description?.format ?? "json";
  const settings = { transport, timeoutMillis, contact: new Contact(description) };
  const { duplex = false } = description ?? {};
  return {
    ...settings,
    retry,
    onRetry,
    peer: format === "binary" ? opaquePeer(settings) : publicPeer(settings),
    duplex: typeof duplex === "function" ? duplex : () => duplex,
  };
}

function toServerInfo(response: GetServerInfoResponse): ServerInfo {
  const { version, limits, capabilities, storage, dedupeWindow } = response;
  const known = limits === undefined ? {} : pickLimits(limits);
  return {
    version,
    limits: { ...LIMITS, ...known },
    capabilities,
    storage,
    dedupeWindowMillis: dedupeWindow === undefined ? 0 : durationMillis(dedupeWindow),
  };
}

function pickLimits(limits: Record<keyof typeof LIMITS, number>): Record<string, number> {
  return Object.fromEntries((Object.keys(LIMITS) as (keyof typeof LIMITS)[]).map((name) => [name, limits[name]]));
}
