import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type ConnectRouter, createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import { Gate } from "./access/gate.ts";
import type { Authenticate } from "./access/principal.ts";
import { Accounts } from "./budgets/account.ts";
import { Admission, type Entrance } from "./budgets/admission.ts";
import { type ServerLimits, serverLimits } from "./budgets/limits.ts";
import type { Bus } from "./bus/port.ts";
import { type Clock, systemClock } from "./engine/clock.ts";
import { OpenStores } from "./engine/open-stores.ts";
import type { RowCompression } from "./engine/rows/row-frame.ts";
import type { StreamkitEvent } from "./event.ts";
import { type EventCounts, Events } from "./events.ts";
import { type Copies, createCopies } from "./export/copies.ts";
import { StorageHealth } from "./health.ts";
import { hostCheck } from "./http/authority.ts";
import type { Fallback, RequestListener } from "./http/cors.ts";
import type { AllowedOrigins } from "./http/cors-rules.ts";
import { createDirectCalls } from "./http/direct/direct-calls.ts";
import { createFetchHandler, type FetchHandler } from "./http/fetch-handler.ts";
import { createHandlers, type Handlers } from "./http/handlers.ts";
import type { Readiness } from "./http/health-paths.ts";
import { type Listener, type ListenOptions, listen } from "./http/listen.ts";
import { OpenCalls } from "./http/open-calls.ts";
import { checkOrigins } from "./http/origin.ts";
import { createRequestListener } from "./http/request-listener.ts";
import type { UpgradeListener } from "./http/upgrades.ts";
import { toConnectError } from "./routes/connect-error.ts";
import { createImplementations } from "./routes/index.ts";
import { createRoutes } from "./routes/mount.ts";
import { Sockets } from "./socket/upgrade.ts";
import type { Storage } from "./storage/port.ts";

export interface StreamkitOptions {
  /** Where the data lives: `levelStorage({path})`, `memoryStorage()`, or your own backend. Closes with the instance. */
  readonly storage: Storage;
  /**
   * Time during which the server remembers the id of a transaction without an expectation, in milliseconds. Default
   * 600,000 (10 minutes).
   */
  readonly dedupeWindowMillis?: number;
  /**
   * Compression of stored rows. Default "none": LevelDB compresses by itself, and the server can copy blocks through.
   */
  readonly compression?: RowCompression;
  /** Time after which an unused store is closed, in milliseconds. Default 300,000 (5 minutes). */
  readonly idleMillis?: number;
  /** Limits on streams, bytes, connections and times of callers. Default: `DEFAULT_SERVER_LIMITS`. */
  readonly limits?: Partial<ServerLimits>;
  /** Origins that may call from a browser, such as "https://app.example.com": scheme, host and port. Default: none. */
  readonly cors?: AllowedOrigins;
  /**
   * For shared storage: time between polls of followed spaces for changes by other instances, in milliseconds. Default
   * 1,000.
   */
  readonly pollMillis?: number;
  /**
   * For shared storage: the bus on which instances announce changes, so that followers need not wait for the next poll.
   * `redisBus(url)`, `natsBus(url)`, or your own. Default: none. Closes with the instance.
   */
  readonly bus?: Bus;
  /**
   * Connect interceptors for logs, metrics or access control. They run around every call, on all transports, the first
   * one outermost, after `authenticate`; `request.contextValues.get(principalKey)` is the principal. An interceptor
   * refuses a call by throwing a ConnectError. Default: none. In calls that carry entries (Append, Produce, Peek,
   * Consume*), the entries are encoded bytes in all formats except JSON; leave these messages unchanged.
   */
  readonly interceptors?: readonly Interceptor[];
  /**
   * Finds the principal of each call by its headers, before the server reads the request: `tokenAuthentication`,
   * `certificateAuthentication`, or your own. Default: none; then every caller may do everything.
   */
  readonly authenticate?: Authenticate;
  /** The clock for commit times. Default: the clock of the machine. */
  readonly clock?: Clock;
  /**
   * Receives events for the operator: failures of storage, lost data, defects. Repetitions are counted, and reported
   * every 30 s. Errors of the function are ignored. Default: writes one line of text per event to stderr.
   */
  readonly onEvent?: (event: StreamkitEvent) => void;
}

export interface HandlerOptions {
  /** Answers requests for other paths than Streamkit's. Default: the next middleware if there is one, otherwise 404. */
  readonly fallback?: Fallback;
  /**
   * Host names, without port, for which the handler answers RPCs, besides addresses and the names of this machine; "*"
   * for all. Protects a server that browsers can reach from pages that take its name (DNS rebinding). Default: all,
   * since the application around the handler knows its names.
   */
  readonly allowedHosts?: readonly string[] | "*";
}

/** Largest message of a request: a full transaction with its overhead, even as JSON. */
const READ_MAX_BYTES = 8 * 1024 * 1024;
/** Longest time for open calls to end when the server closes. */
const GRACE_MILLIS = 2_000;
/** How often sockets are checked to be alive. As the default of `listen()`. */
const KEEP_ALIVE_MILLIS = 15_000;

/** A Streamkit instance, for embedding in any Node application. */
export interface Streamkit extends AsyncDisposable, Copies {
  /** Mounts all services in a Connect router: for Fastify, Express, or your own adapter. */
  routes(router: ConnectRouter): void;
  /**
   * A transport that calls this instance in the same process, without a network. Its calls may do everything, unless
   * `authenticate` is true; then each needs credentials like a call from outside.
   */
  transport(options?: { readonly authenticate?: boolean }): Transport;
  /**
   * A request listener for the http, https and http2 servers of Node, and a middleware for Express and similar
   * frameworks, with CORS. Other paths go to `fallback`, or to the next middleware, or get 404. It reads bodies itself,
   * so mount it before any body parser.
   */
  handler(options?: HandlerOptions): RequestListener;
  /**
   * Answers a request of the Fetch API: for Hono, Next.js route handlers, Bun, Deno. Speaks Connect and gRPC-Web, with
   * CORS. Other paths get 404. Needs no `this`: `Bun.serve({ fetch: streamkit.fetch })`.
   */
  readonly fetch: FetchHandler;
  /**
   * Takes an upgrade to a WebSocket, for the "upgrade" event of Node's http and https servers, and of frameworks on
   * them. `listen()` does so by itself.
   *
   * @returns true if the request is for Streamkit's path, and answered; false for any other path, which is left alone
   */
  handleUpgrade(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    options?: Pick<HandlerOptions, "allowedHosts">,
  ): boolean;
  /** Opens a port that speaks HTTP/1.1 and HTTP/2, Connect, gRPC and gRPC-Web. */
  listen(options?: ListenOptions): Promise<Listener>;
  /** Totals since the start: events by kind, and failed calls by the reason that their callers got. */
  counts(): EventCounts;
  /**
   * Ends streams with SHUTTING_DOWN, finishes appends in flight, and closes ports and storage. Resolves when the
   * callers have their answers, but waits at most 2 seconds for callers that do not read them. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Creates a Streamkit instance. It opens nothing until it is used.
 *
 * @throws TypeError for an origin in `cors` that no browser sends
 * @throws RangeError for an invalid limit in `limits`
 */
export function createStreamkit(options: StreamkitOptions): Streamkit {
  const { storage } = options;
  checkOrigins(options.cors);
  const limits = serverLimits(options.limits);
  const events = new Events(options.onEvent);
  const dedupeWindowMillis = options.dedupeWindowMillis ?? 600_000;
  const health = new StorageHealth(storage, events);
  // When the storage works again, stores that failed to open need not wait for the end of their pause.
  health.subscribe(() => health.ready().ready && openStores.forgetFailures());
  const openStores = new OpenStores(storage, {
    clock: options.clock ?? systemClock,
    dedupeWindowMicros: dedupeWindowMillis * 1_000,
    compression: options.compression ?? "none",
    pollMillis: options.pollMillis ?? 1_000,
    ...(options.bus && { bus: options.bus }),
    maxOpenStores: limits.openStores,
    idleMillis: options.idleMillis ?? 300_000,
    events,
  });
  const shutdown = new AbortController();
  const accounts = new Accounts(limits);
  const admission = new Admission({
    limits,
    server: accounts.server,
    principalAccount: (subject) => accounts.principal(subject),
    toError(error) {
      // A caller without rights is news. A full server needs attention.
      const level = error.facts.challenge === undefined ? "warn" : "info";
      events.report({ level, kind: "request-refused", message: error.message });
      return toConnectError(error);
    },
    gate: gateOf(options, events),
  });
  const implementations = createImplementations({
    storage,
    openStores,
    limits,
    dedupeWindowMillis,
    authenticated: options.authenticate !== undefined,
    shutdown: shutdown.signal,
    events,
    health,
    interceptors: options.interceptors,
  });
  const routesOf = (entrance: Entrance) => createRoutes({ implementations, admission, events, entrance });
  const routes = routesOf({ transport: "http", trusted: false });
  const onRefused = (message: string, cause?: unknown) =>
    events.report({ level: "info", kind: "connection-refused", message, ...(cause !== undefined && { cause }) });
  const onFailure = (cause: unknown) =>
    events.report({ level: "error", kind: "internal-error", message: "the port failed", cause });
  const calls = new OpenCalls();
  const sockets = new Sockets({ implementations, admission, events, limits, accounts, origins: options.cors });
  const adapter = {
    calls,
    origins: options.cors,
    onRefused: (message: string) => events.report({ level: "info", kind: "request-refused", message }),
    onDefect: (cause: unknown) =>
      events.report({ level: "error", kind: "internal-error", message: "a request failed because of a defect", cause }),
  };
  let mounted: Handlers | undefined;
  const handlers = () => {
    mounted ??= createHandlers({ routes, readMaxBytes: READ_MAX_BYTES });
    return mounted;
  };
  const makeHandler = (handlerOptions: HandlerOptions & { readiness?: () => Readiness }) =>
    createRequestListener({
      ...adapter,
      handlers: handlers(),
      direct: createDirectCalls({ implementations, admission, events }),
      accounts,
      allowedHosts: handlerOptions.allowedHosts ?? "*",
      fallback: handlerOptions.fallback,
      readiness: handlerOptions.readiness,
    });
  let fetchHandler: FetchHandler | undefined;
  const listeners = new Set<Listener>();
  let closing: Promise<void> | undefined;

  const streamkit: Streamkit = {
    routes,
    // Clients and servers do not import each other. A client learns the abilities of a transport from this property;
    // see the client's transport/description.ts.
    transport({ authenticate = false } = {}) {
      const inProcess = routesOf({ transport: "in-process", trusted: !authenticate });
      return Object.defineProperty(createRouterTransport(inProcess), Symbol.for("streamkit.transport-description"), {
        value: { format: "binary", duplex: true },
      });
    },
    handler: (handlerOptions = {}) => makeHandler(handlerOptions),
    fetch(request) {
      fetchHandler ??= createFetchHandler({ ...adapter, handlers: handlers() });
      return fetchHandler(request);
    },
    handleUpgrade(request, connection, head, { allowedHosts = "*" } = {}) {
      const isKnownHost = hostCheck(allowedHosts);
      return sockets.upgrade({ request, connection, head, isKnownHost, keepAliveMillis: KEEP_ALIVE_MILLIS });
    },
    async listen(listenOptions = {}) {
      health.start();
      const { host, allowedHosts = [], fallback } = listenOptions;
      const hosts = host === undefined ? allowedHosts : [...allowedHosts, host];
      const handler = makeHandler({
        allowedHosts: hosts,
        readiness: () => health.ready(),
        ...(fallback !== undefined && { fallback }),
      });
      const isKnownHost = hostCheck(hosts);
      const keepAliveMillis = listenOptions.keepAliveMillis ?? KEEP_ALIVE_MILLIS;
      const upgrade: UpgradeListener = (request, connection, head) =>
        sockets.upgrade({ request, connection, head, isKnownHost, keepAliveMillis });
      const listener = await listen({ handler, upgrade, limits, onRefused, onFailure }, listenOptions);
      listeners.add(listener);
      return listener;
    },
    ...createCopies(openStores),
    counts: () => events.counts(),
    close() {
      closing ??= (async () => {
        shutdown.abort();
        health.close();
        for (const listener of listeners) listener.stop();
        sockets.goAway();
        await openStores.close();
        const closed = [...listeners].map((listener) => listener.close(GRACE_MILLIS));
        await Promise.all([...closed, sockets.close(GRACE_MILLIS), calls.settled(GRACE_MILLIS)]);
        await options.bus?.close();
        await storage.close();
        events.flush();
      })();
      return closing;
    },
    [Symbol.asyncDispose]: () => streamkit.close(),
  };
  return streamkit;
}

function gateOf({ authenticate }: StreamkitOptions, events: Events): Gate | undefined {
  if (authenticate === undefined) return undefined;
  const message = "authenticate failed; the calls got AUTHENTICATION_UNAVAILABLE";
  const onDefect = (cause: unknown) => events.report({ level: "error", kind: "internal-error", message, cause });
  return new Gate({ authenticate, onDefect });
}
