/**
 * The resources that one server spends on its callers. Every limit is an option of `createStreamkit({ limits })`.
 * docs/limits.md describes the behaviour at each limit, and names the test for it.
 */
export interface ServerLimits {
  /** Connections of `listen()` in total. Lower if the process may open fewer files. Default 10,000. */
  readonly connections: number;
  /** Connections of `listen()` from one address. Default 5,000. */
  readonly connectionsPerAddress: number;
  /** Streams in total: calls of streaming RPCs, from their headers to their end. Default 20,000. */
  readonly streams: number;
  /** Streams from one address. Default 15,000. */
  readonly streamsPerAddress: number;
  /**
   * Streams of one connection. The server announces 1,000 more to HTTP/2 clients, as room for unary calls. Default
   * 10,000.
   */
  readonly streamsPerConnection: number;
  /** Streams of one principal, on all of its connections. Only with `authenticate`. Default 15,000. */
  readonly streamsPerPrincipal: number;
  /** Bytes of unanswered requests in total, including partly received ones. Default 256 MiB. */
  readonly requestBytes: number;
  /** Bytes of unanswered requests from one address. Default 192 MiB. */
  readonly requestBytesPerAddress: number;
  /** Bytes of unanswered requests on one connection. Default 64 MiB. */
  readonly requestBytesPerConnection: number;
  /** Bytes of unanswered requests of one principal. Only with `authenticate`. Default 192 MiB. */
  readonly requestBytesPerPrincipal: number;
  /** Bytes of unread responses in total. Default 512 MiB. */
  readonly responseBytes: number;
  /** Bytes of unread responses to one address. Default 256 MiB. */
  readonly responseBytesPerAddress: number;
  /** Bytes of unread responses on one connection. Default 128 MiB. */
  readonly responseBytesPerConnection: number;
  /** Bytes of unread responses to one principal. Only with `authenticate`. Default 256 MiB. */
  readonly responseBytesPerPrincipal: number;
  /** Existing stores that are open at once. Default 1,000. */
  readonly openStores: number;
  /**
   * Time for the first bytes of a connection, for a TLS handshake, for the headers of an HTTP/1.1 request and for
   * `authenticate`, in milliseconds. Default 10,000.
   */
  readonly headerMillis: number;
  /** Time for the body of a unary request, and for the first message of a stream, in milliseconds. Default 30,000. */
  readonly requestMillis: number;
}

const MIB = 1024 * 1024;

/** Unary calls that a connection or a socket may have open in addition to all its streams. */
export const UNARY_CALLS_PER_CONNECTION = 1_000;

/**
 * The default limits. No single connection or address can exhaust the server, and 2 GiB of memory suffice even if
 * callers use all of it.
 */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  connections: 10_000,
  connectionsPerAddress: 5_000,
  streams: 20_000,
  streamsPerAddress: 15_000,
  streamsPerConnection: 10_000,
  streamsPerPrincipal: 15_000,
  requestBytes: 256 * MIB,
  requestBytesPerAddress: 192 * MIB,
  requestBytesPerConnection: 64 * MIB,
  requestBytesPerPrincipal: 192 * MIB,
  responseBytes: 512 * MIB,
  responseBytesPerAddress: 256 * MIB,
  responseBytesPerConnection: 128 * MIB,
  responseBytesPerPrincipal: 256 * MIB,
  openStores: 1_000,
  headerMillis: 10_000,
  requestMillis: 30_000,
};

/**
 * The limits of a server: the defaults, overridden by the given ones.
 *
 * @throws RangeError for a name that is not a limit, or a value that is not a positive integer; the message names it
 */
export function serverLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_SERVER_LIMITS))
      throw new RangeError(`limits.${name} is not a limit of the server; docs/limits.md lists the limits`);
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new RangeError(`limits.${name} is ${value}; expected a positive integer`);
    }
  }
  const defined = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_SERVER_LIMITS, ...Object.fromEntries(defined) };
}
