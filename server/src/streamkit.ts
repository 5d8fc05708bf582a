import { type ConnectRouter, createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import { Accounts } from "./budgets/account.ts";
import { Admission } from "./budgets/admission.ts";
import { type ServerLimits, serverLimits } from "./budgets/limits.ts";
import type { Bus } from "./bus/port.ts";
import { type Clock, systemClock } from "./engine/clock.ts";
import { OpenStores } from "./engine/open-stores.ts";
import type { RowCompression } from "./engine/rows/row-frame.ts";
import type { StreamkitEvent } from "./event.ts";
import { type EventCounts, Events } from "./events.ts";
import { StorageHealth } from "./health.ts";
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
import { toConnectError } from "./routes/connect-error.ts";
import { createImplementations } from "./routes/index.ts";
import { createRoutes } from "./routes/mount.ts";
import type { Storage } from "./storage/port.ts";

export interface StreamkitOptions {
  /** Where the data lives: `levelStorage({path})`, `memoryStorage()`, or your own backend. Closed with the instance. */
  readonly storage: Storage;
  /** How long a transaction id without an expectation is remembered, in milliseconds. Default 600,000 (10 minutes). */
  readonly dedupeWindowMillis?: number;
  /** Compression of stored rows. Default "none": LevelDB compresses by itself, and blocks can be copied through. */
  readonly compression?: RowCompression;
  /** A store that nobody used for this long is closed, in milliseconds. Default 300,000 (5 minutes). */
  readonly idleMillis?: number;
  /** What the server spends on its callers: streams, bytes, connections, times. Default: `DEFAULT_SERVER_LIMITS`. */
  readonly limits?: Partial<ServerLimits>;
  /** Origins that may call from a browser, such as "https://app.example.com": scheme, host and port. Default: none. */
  readonly cors?: AllowedOrigins;
  /**
   * With storage that several instances share: how often followed spaces are looked at, in milliseconds. Default 1,000.
   */
  readonly pollMillis?: number;
  /**
   * With storage that several instances share: how they tell each other that something is new, so that followers need
   * not wait for the next poll. `redisBus(url)`, `natsBus(url)`, or your own. Default: none. Closed with the instance.
   */
  readonly bus?: Bus;
  /**
   * Connect interceptors that run around every call, on all transports, the first one outermost: for logs, metrics,
   * access. To refuse a call, an interceptor throws a ConnectError. Default: none. Calls that carry entries (Append,
   * Produce, Peek, Consume*) have them as encoded bytes in all formats but JSON; leave these messages as they are.
   */
  readonly interceptors?: readonly Interceptor[];
  /** The clock that commit times come from. Default: the machine's. */
  readonly clock?: Clock;
  /**
   * Told what an operator should know: failures of storage, lost data, defects. Repetitions are counted and reported
   * every 30 s; what the function throws is ignored. Default: one line of text per event on stderr.
   */
  readonly onEvent?: (event: StreamkitEvent) => void;
}

export interface HandlerOptions {
  /**
   * Answers requests for paths that are none of Streamkit's. Default: the next middleware if there is one, otherwise
   * 404.
   */
  readonly fallback?: Fallback;
  /**
   * Host names, without port, that RPCs are answered for beside addresses and the names of this machine; "*" for all.
   * Protects servers that a browser can reach from pages that take their name (DNS rebinding). Default: all, as the
   * application around the handler knows its names.
   */
  readonly allowedHosts?: readonly string[] | "*";
}

/** Largest message that is read: a full transaction with its overhead, also as JSON. */
const READ_MAX_BYTES = 8 * 1024 * 1024;
/** How long open calls may take to end when the server closes. */
const GRACE_MILLIS = 2_000;

/** A Streamkit instance, to be embedded in any Node application. */
export interface Streamkit extends AsyncDisposable {
  /** Mounts all services in a Connect router: for Fastify, Express, or your own adapter. */
  routes(router: ConnectRouter): void;
  /** A transport that calls this instance in the same process, without a network. */
  transport(): Transport;
  /**
   * A request listener for Node's http, https, http2 servers, and a middleware for Express and its like, with CORS.
   * Other paths go to `fallback`, or to the next middleware, or answer 404. Reads bodies itself, so it comes before any
   * body parser.
   */
  handler(options?: HandlerOptions): RequestListener;
  /**
   * Answers a request of the Fetch API: for Hono, Next.js route handlers, Bun, Deno. Speaks Connect and gRPC-Web, with
   * CORS; other paths answer 404. Needs no `this`: `Bun.serve({ fetch: streamkit.fetch })`.
   */
  readonly fetch: FetchHandler;
  /** Opens a port that speaks HTTP/1.1 and HTTP/2, Connect, gRPC and gRPC-Web. */
  listen(options?: ListenOptions): Promise<Listener>;
  /**
   * How often what happened since the start: events by kind, and failed calls by the reason that their callers were
   * told.
   */
  counts(): EventCounts;
  /**
   * Ends streams with SHUTTING_DOWN, lets appends in flight finish, closes ports and storage. Resolves when the callers
   * have their answers; a caller that takes none within 2 seconds is not waited for. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Creates a Streamkit instance. Nothing is opened until it is used.
 *
 * @throws TypeError for an origin in `cors` that no browser sends
 */
export function createStreamkit(options: StreamkitOptions): Streamkit {
  const { storage } = options;
  checkOrigins(options.cors);
  const limits = serverLimits(options.limits);
  const events = new Events(options.onEvent);
  const dedupeWindowMillis = options.dedupeWindowMillis ?? 600_000;
  const health = new StorageHealth(storage, events);
  // Stores that could not be opened because of what is over need not wait for the end of their pause.
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
    toError(error) {
      events.report({ level: "warn", kind: "request-refused", message: error.message });
      return toConnectError(error);
    },
  });
  const implementations = createImplementations({
    storage,
    openStores,
    limits,
    dedupeWindowMillis,
    shutdown: shutdown.signal,
    events,
    health,
    interceptors: options.interceptors,
  });
  const routes = createRoutes({ implementations, admission, events });
  const onRefused = (message: string, cause?: unknown) =>
    events.report({ level: "info", kind: "connection-refused", message, ...(cause !== undefined && { cause }) });
  const onFailure = (cause: unknown) =>
    events.report({ level: "error", kind: "internal-error", message: "the port failed", cause });
  const calls = new OpenCalls();
  const adapter = {
    calls,
    origins: options.cors,
    onRefused: (message: string) => events.report({ level: "info", kind: "request-refused", message }),
    onDefect: (cause: unknown) =>
      events.report({ level: "error", kind: "internal-error", message: "a request met a defect", cause }),
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
    // How clients learn what a transport can do without importing each other: see the client's
    // transport/description.ts.
    transport: () =>
      Object.defineProperty(createRouterTransport(routes), Symbol.for("streamkit.transport-description"), {
        value: { format: "binary", duplex: true },
      }),
    handler: (handlerOptions = {}) => makeHandler(handlerOptions),
    fetch(request) {
      fetchHandler ??= createFetchHandler({ ...adapter, handlers: handlers() });
      return fetchHandler(request);
    },
    async listen(listenOptions = {}) {
      health.start();
      const { host, allowedHosts = [], fallback } = listenOptions;
      const handler = makeHandler({
        allowedHosts: host === undefined ? allowedHosts : [...allowedHosts, host],
        readiness: () => health.ready(),
        ...(fallback !== undefined && { fallback }),
      });
      const listener = await listen({ handler, limits, onRefused, onFailure }, listenOptions);
      listeners.add(listener);
      return listener;
    },
    counts: () => events.counts(),
    close() {
      closing ??= (async () => {
        shutdown.abort();
        health.close();
        for (const listener of listeners) listener.stop();
        await openStores.close();
        const closed = [...listeners].map((listener) => listener.close(GRACE_MILLIS));
        await Promise.all([...closed, calls.settled(GRACE_MILLIS)]);
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
