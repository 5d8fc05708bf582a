import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { PresenceService, SubscribeToWorkersRequestSchema } from "@streamkit/protocol";

/** Streams per connection, as clients open them by default. */
const STREAMS_PER_CONNECTION = 100;
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
const STREAM_WINDOW_BYTES = 1024 * 1024;
const POLL_MILLIS = 50;

/** A subscriber. With an id, it is a worker too. */
export interface Subscriber {
  readonly id?: string;
  readonly labelBytes?: number;
  /** Reads nothing after its first message. */
  readonly paused?: boolean;
}

/** Many subscriptions to one group of workers. They do not decode messages, since only the server is measured. */
export class Crowd implements AsyncDisposable {
  readonly #address: string;
  readonly #store: string;
  readonly #sessions: ClientHttp2Session[] = [];
  readonly #streams: { readonly stream: ClientHttp2Stream; bytes: number; failure: string | undefined }[] = [];
  #free = 0;

  constructor(address: string, store: string) {
    this.#address = address;
    this.#store = store;
  }

  /** Opens subscriptions, and waits for the first message of each, which shows that its worker is registered. */
  async add(group: string, subscribers: readonly Subscriber[]): Promise<void> {
    await Promise.all(subscribers.map((each) => this.#subscribe(group, each)));
  }

  /** Bytes read so far. */
  get bytes(): number {
    return this.#streams.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Waits until nothing has arrived for some time.
   *
   * @throws Error if a stream has ended
   */
  async quiet(millis: number): Promise<void> {
    let [seen, since] = [-1, performance.now()];
    while (performance.now() - since < millis) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
      const failure = this.#streams.find((each) => each.failure !== undefined)?.failure;
      if (failure !== undefined) throw new Error(failure);
      if (this.bytes !== seen) [seen, since] = [this.bytes, performance.now()];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#sessions.map((session) => new Promise<void>((resolve) => session.once("close", resolve)));
    for (const session of this.#sessions) session.destroy();
    await Promise.all(closed);
  }

  async #subscribe(group: string, { id, labelBytes = 0, paused = false }: Subscriber): Promise<void> {
    const message = create(SubscribeToWorkersRequestSchema, {
      storeId: this.#store,
      group,
      interval: durationFromMs(3_600_000),
      ...(id !== undefined && { worker: { id, metadata: { l: "x".repeat(Math.max(0, labelBytes - 1)) } } }),
    });
    const body = toBinary(SubscribeToWorkersRequestSchema, message);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = this.#session().request({
      ":method": "POST",
      ":path": `/${PresenceService.typeName}/SubscribeToWorkers`,
      "content-type": "application/connect+proto",
      "connect-protocol-version": "1",
    });
    const entry = { stream, bytes: 0, failure: undefined as string | undefined };
    this.#streams.push(entry);
    stream.once("close", () => {
      entry.failure ??= "a subscription has ended";
    });
    stream.on("error", (error) => {
      entry.failure = error.message;
    });
    stream.end(Buffer.concat([head, body]));
    await new Promise<void>((resolve, reject) => {
      stream.once("close", () => reject(new Error("a subscription has ended without a message")));
      stream.once("response", (headers) => {
        if (headers[":status"] !== 200) reject(new Error(`a subscription was answered with ${headers[":status"]}`));
      });
      stream.on("data", (chunk: Buffer) => {
        entry.bytes += chunk.length;
        if (paused) stream.pause();
        resolve();
      });
    });
  }

  #session(): ClientHttp2Session {
    if (this.#free === 0) {
      const session = connect(this.#address, { settings: { initialWindowSize: STREAM_WINDOW_BYTES } });
      session.once("connect", () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
      session.on("error", () => {});
      this.#sessions.push(session);
      this.#free = STREAMS_PER_CONNECTION;
    }
    this.#free--;
    return this.#sessions.at(-1)!;
  }
}
