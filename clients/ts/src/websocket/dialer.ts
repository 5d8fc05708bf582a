import { Code, ConnectError } from "@connectrpc/connect";
import { openWithHold } from "#websocket/process-hold";
import { StreamkitError } from "../errors/error.ts";
import { backoffMillis, delay } from "../retry/backoff.ts";
import { textOfClosing } from "./closing.ts";
import { Connection } from "./connection.ts";
import { now, type OpenWebSocket, type WebSocketLike } from "./platform.ts";
import type { ProcessHold } from "./process-hold.ts";
import type { WatchTimes } from "./watch.ts";
import { settingsPayload } from "./wire.ts";

/** The subprotocol of the sockets. */
const PROTOCOL = "streamkit.v1";
/** Bounds of the pauses between sockets that broke or did not open: the first, and the longest. */
const PAUSES = { initialDelayMillis: 50, maxDelayMillis: 5_000 };
/** Least pause after a server closed a socket for a flood. */
const CALM_MILLIS = 1_000;
const CLOSED_FOR_FLOOD = 4429;

/** Options of sockets. */
export interface DialOptions extends WatchTimes {
  /** The address of the socket: ws:// or wss://. */
  readonly url: string;
  readonly open: OpenWebSocket;
  readonly openTimeoutMillis: number;
  readonly readMaxBytes: number;
  /** Gives the headers of all calls of a socket. The dialer calls it before each socket, and in `refresh`. */
  readonly headers: () => Promise<HeadersInit | undefined>;
}

/** Opens sockets when calls need them, one at a time, with pauses after failures. */
export class Dialer {
  readonly #options: DialOptions;
  readonly #connections = new Set<Connection>();
  #current: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #endOpening: ((error: unknown) => void) | undefined;
  #failures = 0;
  #notBefore = 0;
  #isClosed = false;

  constructor(options: DialOptions) {
    this.#options = options;
  }

  /** The socket for new calls, if one is open. */
  get ready(): Connection | undefined {
    return this.#current?.isOpen ? this.#current : undefined;
  }

  /** Gives the socket for new calls. Rejects if it does not open. */
  connect(): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(closedError());
    const { ready } = this;
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#opening !== undefined) return this.#opening;
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    this.#opening = promise;
    this.#endOpening = reject;
    this.#dial()
      .then(resolve, reject)
      .finally(() => {
        if (this.#opening === promise) this.#opening = undefined;
      });
    return promise;
  }

  /** Gets the headers again, and sends them to the server. */
  async refresh(): Promise<void> {
    const settings = await this.#settings();
    for (const connection of this.#connections) connection.settings(settings);
  }

  /** Tries a socket. True if it is refused; false if it opens, or gets no answer in time. */
  async isRefused(): Promise<boolean> {
    let isLate = false;
    const onLate = () => {
      isLate = true;
    };
    try {
      (await this.#openSocket(onLate)).close();
      return false;
    } catch {
      return !isLate;
    }
  }

  /** Asks for a sign of life on all sockets. */
  doubt(): void {
    for (const connection of this.#connections) connection.doubt();
  }

  /** Closes all sockets for good. */
  close(): void {
    this.#isClosed = true;
    this.#endOpening?.(closedError());
    for (const connection of this.#connections) connection.close(closedError());
  }

  async #dial(): Promise<Connection> {
    const pause = this.#notBefore - now();
    if (pause > 0) await delay(pause, undefined);
    const settings = await this.#settings();
    if (this.#isClosed) throw closedError();
    try {
      const connection = await this.#openSocket();
      if (settings.length > 0) connection.settings(settings);
      return connection;
    } catch (thrown) {
      this.#failed();
      throw thrown;
    }
  }

  async #settings(): Promise<Uint8Array> {
    return settingsPayload((await this.#options.headers()) ?? {});
  }

  #failed(leastMillis = 0): void {
    this.#failures += 1;
    this.#notBefore = now() + backoffMillis(this.#failures, PAUSES, leastMillis);
  }

  #take(socket: WebSocketLike, hold: ProcessHold): Connection {
    const { pingIntervalMillis, pingTimeoutMillis, readMaxBytes } = this.#options;
    const connection = new Connection(socket, {
      ...{ pingIntervalMillis, pingTimeoutMillis, readMaxBytes, hold },
      onHeard: () => {
        this.#failures = 0;
      },
      onEnd: ({ code }) => {
        this.#connections.delete(connection);
        if (code !== 1000 && code !== 1001) this.#failed(code === CLOSED_FOR_FLOOD ? CALM_MILLIS : 0);
      },
    });
    this.#connections.add(connection);
    this.#current = connection;
    return connection;
  }

  #openSocket(onLate?: () => void): Promise<Connection> {
    const { url, open, openTimeoutMillis } = this.#options;
    return new Promise((resolve, reject) => {
      const { socket, hold, done } = openWithHold(() => open(url, PROTOCOL));
      socket.binaryType = "arraybuffer";
      const fail = (why: string) => {
        clearTimeout(timer);
        done();
        reject(new ConnectError(`no WebSocket to ${url}: ${why}`, Code.Unavailable));
      };
      const timer = setTimeout(() => {
        onLate?.();
        fail(`it did not open within ${openTimeoutMillis} ms`);
        socket.close();
      }, openTimeoutMillis);
      socket.addEventListener("error", () => {});
      socket.addEventListener("close", ({ code, reason }) => fail(textOfRefusal(code, reason)));
      socket.addEventListener("open", () => {
        if (socket.protocol !== PROTOCOL) {
          fail("another server answered. Check host, port and path");
          socket.close();
          return;
        }
        clearTimeout(timer);
        // Node.js tells of the TCP socket right after.
        queueMicrotask(done);
        resolve(this.#take(socket, hold));
      });
    });
  }
}

/** The error of a WebSocket that did not open. Platforms give no reason. */
function textOfRefusal(code: number, reason: string): string {
  if (code !== 1006 && code !== 1005) return textOfClosing({ code, reason, isByPeer: true });
  return "the server is not there, or it or a proxy on the way refuses WebSockets";
}

function closedError(): StreamkitError {
  return new StreamkitError("CANCELED", "canceled", "the transport was closed");
}
