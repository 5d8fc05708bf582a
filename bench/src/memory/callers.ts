import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { ConsumeSegmentRequestSchema, StreamService } from "@streamkit/protocol";

const STREAM_WINDOW_BYTES = 1024 * 1024;
const GET_SERVER_INFO = "/streamkit.v1.StoreService/GetServerInfo";
const APPEND = `/${StreamService.typeName}/Append`;
const CONSUME_SEGMENT = `/${StreamService.typeName}/ConsumeSegment`;

/** Raw connections and calls that stay open, so that a server's memory for them can be measured. */
export class Callers implements AsyncDisposable {
  readonly #url: URL;
  readonly #connections: (Socket | ClientHttp2Session)[] = [];

  /** @param address of the server: "http://127.0.0.1:8080" */
  constructor(address: string) {
    this.#url = new URL(address);
  }

  /** Opens connections over HTTP/1.1. Each makes one call, and then stays idle. */
  async addIdleHttp1(count: number): Promise<void> {
    await together(count, async () => {
      const socket = connect(Number(this.#url.port), this.#url.hostname);
      this.#connections.push(socket);
      socket.write(
        `POST ${GET_SERVER_INFO} HTTP/1.1\r\nhost: ${this.#url.host}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      );
      await new Promise<void>((resolve, reject) => {
        socket.once("data", () => resolve());
        socket.on("error", reject);
      });
    });
  }

  /** Opens connections over HTTP/2. Each makes one call, and then stays idle. */
  async addIdleHttp2(count: number): Promise<void> {
    await together(count, async () => {
      const stream = this.#openSession().request({
        ":method": "POST",
        ":path": GET_SERVER_INFO,
        "content-type": "application/json",
      });
      stream.end("{}");
      stream.resume();
      await new Promise<void>((resolve, reject) => {
        stream.once("end", () => resolve());
        stream.on("error", reject);
      });
    });
  }

  /**
   * Begins appends on one connection, each of which announces a larger body than it sends.
   *
   * @param bytes that each sends
   */
  async addUnfinishedRequests(count: number, bytes: number): Promise<void> {
    const session = this.#openSession();
    const body = Buffer.alloc(bytes);
    await together(count, async () => {
      const stream = session.request({
        ":method": "POST",
        ":path": APPEND,
        "content-type": "application/proto",
        "content-length": String(2 * bytes),
      });
      stream.on("error", () => {});
      await new Promise<void>((resolve) => stream.write(body, () => resolve()));
    });
    // The server has read what came before a ping when it answers the ping.
    await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
  }

  /** Begins reads of a segment, each on a connection of its own, that take the first bytes and then no more. */
  async addPausedReaders(count: number, storeId: string, space: string, segment: string): Promise<void> {
    const body = toBinary(
      ConsumeSegmentRequestSchema,
      create(ConsumeSegmentRequestSchema, { storeId, space, segment }),
    );
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    await together(count, async () => {
      const stream = this.#openSession().request({
        ":method": "POST",
        ":path": CONSUME_SEGMENT,
        "content-type": "application/connect+proto",
        "connect-protocol-version": "1",
      });
      stream.end(Buffer.concat([head, body]));
      await new Promise<void>((resolve, reject) => {
        stream.on("error", reject);
        stream.once("data", () => {
          stream.pause();
          resolve();
        });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#connections.map((each) => new Promise<void>((resolve) => each.once("close", () => resolve())));
    for (const each of this.#connections) each.destroy();
    await Promise.all(closed);
  }

  #openSession(): ClientHttp2Session {
    const session = connectHttp2(this.#url.origin, { settings: { initialWindowSize: STREAM_WINDOW_BYTES } });
    session.on("error", () => {});
    this.#connections.push(session);
    return session;
  }
}

async function together(count: number, open: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, open));
}
