import { type ClientHttp2Session, constants, type SecureClientSessionOptions } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/**
 * Most bytes that a server may send on one stream, and on all streams of a connection, before the client has read them.
 * HTTP/2's default of 65,535 is less than one response of a bulk read, so each response would wait for round trips.
 */
const STREAM_WINDOW_BYTES = 4 * 1_048_576;
const CONNECTION_WINDOW_BYTES = 16 * 1_048_576;

/** Options of HTTP/2 connections. */
export interface SessionOptions {
  readonly baseUrl: string;
  readonly pingIntervalMillis: number;
  readonly pingTimeoutMillis: number;
  readonly nodeOptions: SecureClientSessionOptions | undefined;
}

/** A session manager with wide windows for bulk data, and a probe for connections that fell silent. */
export class WideSessionManager extends Http2SessionManager {
  readonly #pingTimeoutMillis: number;
  #session: ClientHttp2Session | undefined;

  constructor({ baseUrl, pingIntervalMillis, pingTimeoutMillis, nodeOptions }: SessionOptions) {
    super(
      new URL(baseUrl).origin,
      { pingIntervalMs: pingIntervalMillis, pingTimeoutMs: pingTimeoutMillis },
      {
        ...nodeOptions,
        settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false, ...nodeOptions?.settings },
      },
    );
    this.#pingTimeoutMillis = pingTimeoutMillis;
  }

  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined && session !== this.#session) {
      this.#session = session;
      // HTTP/2 has no setting for the window of a connection. The first stream gives access to the session.
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    }
    stream.once("close", () => {
      // The connection has too much to do. Its streams may finish on it; new streams get another connection.
      if (stream.rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM) session?.close();
    });
    return stream;
  }

  /** Drops the connection unless it answers a ping in time. The next regular ping may be far away. */
  probe(): void {
    const session = this.#session;
    if (session === undefined || session.destroyed) return;
    const timer = setTimeout(() => {
      session.destroy(new ConnectError("the connection does not answer", Code.Unavailable));
    }, this.#pingTimeoutMillis);
    if (!session.ping(() => clearTimeout(timer))) clearTimeout(timer);
  }
}
