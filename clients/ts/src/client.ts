import type { Transport } from "@connectrpc/connect";
import { type Budgets, type GetServerInfoResponse, LIMITS, StoreService } from "@streamkit/protocol";
import { type ClientContext, call } from "./context.ts";
import { type Listing, listing, type PageOptions } from "./listing.ts";
import {
  CALL_OPTIONS,
  type ChecksOf,
  callback,
  checkArgument,
  checkOptions,
  count,
  fields,
  is,
  millis,
  oneOf,
  PAGE_OPTIONS,
  text,
} from "./options.ts";
import type { RetryEvent, RetryOptions } from "./retry/backoff.ts";
import { StoreHandle } from "./store.ts";
import { durationMillis } from "./time.ts";
import { Contact } from "./transport/contact.ts";
import { transportDescription } from "./transport/description.ts";
import { opaquePeer } from "./transport/opaque-peer.ts";
import { publicPeer } from "./transport/public-peer.ts";
import { type LongPolling, Streams } from "./transport/streams.ts";

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
   * Longest wait for a server that owes an answer, in milliseconds. Default 30,000. It ends a unary attempt, a read and
   * a Produce session that wait so long for their next response, with CONNECTION_LOST; they are then tried again, or
   * resumed. At the head, `follow` and subscriptions wait for two heartbeats instead.
   */
  readonly timeoutMillis?: number;
  /**
   * Which reads call again and again for entries in place of a stream. Default `auto`: those whose stream delivers
   * nothing while the server answers calls, as behind a proxy that holds responses back. `onRetry` is told. `always` is
   * for networks without streams. Guarantees are the same; each response costs a request.
   */
  readonly longPolling?: LongPolling;
  /** Overrides what is known about the transport's encoding of messages. */
  readonly wireFormat?: "binary" | "json";
}

const RETRY_OPTIONS = {
  maxAttempts: count(1, Number.MAX_SAFE_INTEGER, true),
  initialDelayMillis: millis(0),
  maxDelayMillis: millis(0),
} satisfies ChecksOf<RetryOptions>;

const CLIENT_OPTIONS = {
  transport: is(
    "a transport, such as createNodeTransport({baseUrl}) of @streamkit/client/node",
    (value) => typeof (value as Partial<Transport> | null)?.unary === "function",
  ),
  retry: fields(RETRY_OPTIONS),
  onRetry: callback,
  timeoutMillis: millis(1, Number.POSITIVE_INFINITY),
  longPolling: oneOf("auto", "always", "never"),
  wireFormat: oneOf("binary", "json"),
} satisfies ChecksOf<ClientOptions>;

/** What one connection to a server may use. */
export interface ServerBudgets {
  /** Most streaming calls that may be open. */
  readonly maxConnectionStreams: number;
  /** Most bytes of requests that are not answered yet. */
  readonly maxConnectionRequestBytes: number;
  /** Most bytes of responses that the client has not read yet. */
  readonly maxConnectionResponseBytes: number;
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestTimeoutMillis: number;
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
  /** What one connection may use; `undefined` where the server does not say. */
  readonly budgets: ServerBudgets | undefined;
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

/**
 * Makes a client; no I/O.
 *
 * @throws StreamkitError INVALID_FIELD for options that are unknown, missing or out of range; so do all methods that
 *   take options
 */
export function createStreamkitClient(options: ClientOptions): StreamkitClient {
  checkOptions("createStreamkitClient", options, CLIENT_OPTIONS, ["transport"]);
  const context = createContext(options);
  return {
    store(id) {
      checkArgument("store", "id", id, text);
      return new StoreHandle(context, id);
    },
    listStores(page = {}) {
      checkOptions("listStores", page, PAGE_OPTIONS);
      return listing(page, async (pageSize, pageToken) => {
        const response = await call(context, StoreService.method.listStores, { pageSize, pageToken }, page.signal);
        return { items: response.stores.map((store) => store.storeId), nextPageToken: response.nextPageToken };
      });
    },
    async serverInfo(options = {}) {
      checkOptions("serverInfo", options, CALL_OPTIONS);
      return toServerInfo(await call(context, StoreService.method.getServerInfo, {}, options.signal));
    },
  };
}

function createContext(options: ClientOptions): ClientContext {
  const { transport, retry = {}, onRetry, timeoutMillis = 30_000, longPolling = "auto" } = options;
  const description = transportDescription(transport);
  const format = options.wireFormat ?? description?.format ?? "json";
  const settings = { transport, timeoutMillis, contact: new Contact(description) };
  const { duplex = false } = description ?? {};
  return {
    ...settings,
    retry,
    onRetry,
    streams: new Streams(longPolling, timeoutMillis),
    peer: format === "binary" ? opaquePeer(settings) : publicPeer(settings),
    duplex: typeof duplex === "function" ? duplex : () => duplex,
  };
}

function toServerInfo(response: GetServerInfoResponse): ServerInfo {
  const { version, limits, capabilities, storage, dedupeWindow, budgets } = response;
  const known = limits === undefined ? {} : pickLimits(limits);
  return {
    version,
    limits: { ...LIMITS, ...known },
    capabilities,
    storage,
    dedupeWindowMillis: dedupeWindow === undefined ? 0 : durationMillis(dedupeWindow),
    budgets: budgets && toServerBudgets(budgets),
  };
}

function toServerBudgets(budgets: Budgets): ServerBudgets {
  const { maxConnectionStreams, requestTimeout } = budgets;
  return {
    maxConnectionStreams,
    maxConnectionRequestBytes: Number(budgets.maxConnectionRequestBytes),
    maxConnectionResponseBytes: Number(budgets.maxConnectionResponseBytes),
    requestTimeoutMillis: requestTimeout === undefined ? 0 : durationMillis(requestTimeout),
  };
}

function pickLimits(limits: Record<keyof typeof LIMITS, number>): Record<string, number> {
  return Object.fromEntries((Object.keys(LIMITS) as (keyof typeof LIMITS)[]).map((name) => [name, limits[name]]));
}
