/**
 * What one server spends on its callers. Every limit is an option of `createStreamkit({ limits })`; docs/limits.md says
 * for each what happens beyond it, and which test goes there.
 */
export interface ServerLimits {
  /** Connections of `listen()` in all. Less where the process may open fewer files. Default 10,000. */
  readonly connections: number;
  /** Connections of `listen()` from one address. Default 5,000. */
  readonly connectionsPerAddress: number;
  /** Streams in all: every call of a streaming RPC, from its headers to its end. Default 20,000. */
  readonly streams: number;
  /** Streams from one address. Default 15,000. */
  readonly streamsPerAddress: number;
  /**
   * Streams of one connection. HTTP/2 clients are told 1,000 more, which leaves room for unary calls. Default 10,000.
   */
  readonly streamsPerConnection: number;
  /** Bytes of requests in all that are not answered yet, read in full or in part. Default 256 MiB. */
  readonly requestBytes: number;
  /** Bytes of requests from one address that are not answered yet. Default 192 MiB. */
  readonly requestBytesPerAddress: number;
  /** Bytes of requests of one connection that are not answered yet. Default 64 MiB. */
  readonly requestBytesPerConnection: number;
  /** Bytes of responses in all that callers have not taken yet. Default 512 MiB. */
  readonly responseBytes: number;
  /** Bytes of responses to one address that were not taken yet. Default 256 MiB. */
  readonly responseBytesPerAddress: number;
  /** Bytes of responses on one connection that were not taken yet. Default 128 MiB. */
  readonly responseBytesPerConnection: number;
  /** Stores that exist and are open at once. Default 1,000. */
  readonly openStores: number;
  /**
   * Time for a connection's first bytes, for a TLS handshake and for the headers of an HTTP/1.1 request, in
   * milliseconds. Default 10,000.
   */
  readonly headerMillis: number;
  /** Time for the body of a unary request, and for the first message of a stream, in milliseconds. Default 30,000. */
  readonly requestMillis: number;
}

const MIB = 1024 * 1024;

/**
 * The defaults: no one connection or address can use up the server, and 2 GiB of memory survive callers that use all of
 * it.
 */
export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  connections: 10_000,
  connectionsPerAddress: 5_000,
  streams: 20_000,
  streamsPerAddress: 15_000,
  streamsPerConnection: 10_000,
  requestBytes: 256 * MIB,
  requestBytesPerAddress: 192 * MIB,
  requestBytesPerConnection: 64 * MIB,
  responseBytes: 512 * MIB,
  responseBytesPerAddress: 256 * MIB,
  responseBytesPerConnection: 128 * MIB,
  openStores: 1_000,
  headerMillis: 10_000,
  requestMillis: 30_000,
};

/**
 * The limits of a server: the defaults, changed by what is given.
 *
 * @throws RangeError a name that is no limit, or a value that is no positive integer; the message names it
 */
export function serverLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_SERVER_LIMITS)) throw new RangeError(`limits.${name} is no limit of the server`);
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new RangeError(`limits.${name} is ${value}; expected a positive integer`);
    }
  }
  const defined = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_SERVER_LIMITS, ...Object.fromEntries(defined) };
}
