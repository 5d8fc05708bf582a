import { type ClientHttp2Session, constants, type SecureClientSessionOptions } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/**
 * Bytes that a server may send on one stream, and on all streams of a connection, before the client has read them. The
 * 65,535 of the protocol are less than one response of a bulk read, so each would wait for round trips.
 */
const STREAM_WINDOW_BYTES = 4 * 1_048_576;
const CONNECTION_WINDOW_BYTES = 16 * 1_048_576;

/** How connections of HTTP/2 are watched. */
export interface SessionOptions {
  readonly baseUrl: string;
  readonly pingIntervalMillis: number;
  readonly pingTimeoutMillis: number;
  readonly nodeOptions: SecureClientSessionOptions | undefined;
}

/** A session manager for streams of bulk data, some of which are silent for long. */
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
      // HTTP/2 has no setting for the window of a connection, so it is widened when its first stream shows the session.
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    }
    stream.once("close", () => {
      // The server has too much of this connection: its streams may end on it, and new ones get another.
      if (stream.rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM) session?.close();
    });
    return stream;
  }

  /** Drops the connection unless it answers a ping in time. The interval of regular pings may be far from over. */
  probe(): void {
    const session = this.#session;
    if (session === undefined || session.destroyed) return;
    const timer = setTimeout(() => {
      session.destroy(new ConnectError("the connection does not answer", Code.Unavailable));
    }, this.#pingTimeoutMillis);
    if (!session.ping(() => clearTimeout(timer))) clearTimeout(timer);
  }
}
