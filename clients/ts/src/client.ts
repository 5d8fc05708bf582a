import type { Transport } from "@connectrpc/connect";
import { type Budgets, type GetServerInfoResponse, LIMITS, StoreService } from "@streamkit/protocol";
import { type ClientContext, call } from "./context.ts";
import { Credentials, type TokenSource } from "./credentials/credentials.ts";
import { tokenOption } from "./credentials/token.ts";
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
   * The connection to the server: `createNodeTransport` of `@streamkit/client/node`, `createWebTransport` of
   * `@streamkit/client/web`, the transport of a server in this process, or any other Connect transport (see
   * `describeTransport`).
   */
  readonly transport: Transport;
  /**
   * A bearer token, which the client sends with every call over every transport, or a function that gets one. The
   * client calls the function once for all calls that wait for a token, and keeps the token. It calls the function
   * again
   *
   * - ahead of the end of a JWT: when a fifth of its life, or 30 seconds, are left, at most half of its life;
   * - once after a server refused the token with UNAUTHENTICATED. Calls then run again, and streams and sessions
   *   continue, with the new token; `onRetry` gets the refusal. If a server refuses the new token too, the refusal
   *   reaches the caller.
   *
   * If the function throws or does not answer within `timeoutMillis`, calls fail with TOKEN_FAILED, which the client
   * retries. A StreamkitError that the function throws counts as the error of the call, and its `retryable` decides.
   */
  readonly token?: TokenSource;
  /** Number of attempts and pauses between them, when a call fails transiently. */
  readonly retry?: RetryOptions;
  /** Called before each retry and each reconnect, and when the client could not get a token ahead of time. */
  readonly onRetry?: (event: RetryEvent) => void;
  /**
   * Longest wait for the next response of the server, in milliseconds: 1 or more, or Infinity. Default 30,000. A unary
   * attempt, a read or a Produce session that waits longer fails with CONNECTION_LOST; the client then retries or
   * resumes it. At the head, `follow` and subscriptions wait for two heartbeats instead.
   */
  readonly timeoutMillis?: number;
  /**
   * Reads that poll for entries in place of a stream. Default `auto`: reads whose stream delivers nothing while the
   * server answers calls, as behind a proxy that holds responses back; the client then calls `onRetry`. `always` is for
   * networks without streams. All guarantees stay the same. Each response costs a request.
   */
  readonly longPolling?: LongPolling;
  /** Encoding of messages. Default: the one of the transport's description, or "json" without a description. */
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
  token: tokenOption,
  retry: fields(RETRY_OPTIONS),
  onRetry: callback,
  timeoutMillis: millis(1, Number.POSITIVE_INFINITY),
  longPolling: oneOf("auto", "always", "never"),
  wireFormat: oneOf("binary", "json"),
} satisfies ChecksOf<ClientOptions>;

/** The resources that a server grants to one connection. */
export interface ServerBudgets {
  /** Most streaming calls open at a time. */
  readonly maxConnectionStreams: number;
  /** Most bytes of unanswered requests. */
  readonly maxConnectionRequestBytes: number;
  /** Most bytes of responses that the client has not read yet. */
  readonly maxConnectionResponseBytes: number;
  /** How long a request may take to arrive, in milliseconds. */
  readonly requestTimeoutMillis: number;
}

/** A server's version, limits and abilities. */
export interface ServerInfo {
  /** The server's version. */
  readonly version: string;
  /** The limits in force; meaning and units: proto/streamkit/v1/limits.proto. */
  readonly limits: Readonly<Record<keyof typeof LIMITS, number>>;
  /** Names of the server's optional features, sorted. */
  readonly capabilities: readonly string[];
  /** Kind of storage behind the server. */
  readonly storage: string;
  /** How long the server remembers the id of a transaction without `expectedLastSequence`, in milliseconds. */
  readonly dedupeWindowMillis: number;
  /** The resources of one connection; `undefined` if the server does not report them. */
  readonly budgets: ServerBudgets | undefined;
}

/** The entry to all stores of a server. The transport holds the connection; the client needs no closing. */
export interface StreamkitClient {
  /** Makes a handle on a store, without I/O. `id` is a UUID. */
  store(id: string): StoreHandle;
  /** Lists the ids of all stores, in byte order. Needs admin rights. */
  listStores(options?: PageOptions): Listing<string>;
  /** Asks the server for its version, limits and features. */
  serverInfo(options?: { signal?: AbortSignal }): Promise<ServerInfo>;
}

/**
 * Makes a client, without I/O.
 *
 * @throws StreamkitError INVALID_FIELD for options that are unknown, missing or out of range; all methods with options
 *   throw the same error
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
  const { transport, token, retry = {}, onRetry, timeoutMillis = 30_000, longPolling = "auto" } = options;
  const description = transportDescription(transport);
  const format = options.wireFormat ?? description?.format ?? "json";
  const policy = { retry, onRetry };
  const credentials = token === undefined ? undefined : new Credentials(token, timeoutMillis, policy);
  const settings = { transport, credentials, timeoutMillis, contact: new Contact(description) };
  const { duplex = false } = description ?? {};
  return {
    ...settings,
    ...policy,
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
