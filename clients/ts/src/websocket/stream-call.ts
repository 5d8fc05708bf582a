import type { DescMessage, DescMethodStreaming, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { errorOfStatus, type Header, type ReadResult, toHeaders } from "./answers.ts";
import { Call, type CallStart } from "./call.ts";
import type { Connection } from "./connection.ts";
import { decode } from "./wire.ts";

/** Most bytes, and most messages, that a call sends before it waits until all of them have left. */
const MAX_WAITING_BYTES = 65_536;
const MAX_WAITING_MESSAGES = 64;

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A call whose answer is a stream, and perhaps its request, too. Waiting messages stay encoded. The server gets their
 * credit back when the application takes them, which bounds their number.
 */
export class StreamCall<I extends DescMessage, O extends DescMessage> extends Call {
  /** Settled with the first part of the answer. */
  readonly response: Promise<StreamResponse<I, O>>;
  readonly #method: DescMethodStreaming<I, O>;
  /** Encoded requests of a call that sends several. */
  readonly #requests: AsyncIterator<Uint8Array> | undefined;
  readonly #waiters: Waiter<MessageShape<O>>[] = [];
  #arrived: Uint8Array[] = [];
  #hasAnswered = false;
  #error: unknown;
  #resolve!: (response: StreamResponse<I, O>) => void;
  #reject!: (error: unknown) => void;
  #trailer: Headers | undefined;
  #wakeSender: (() => void) | undefined;

  constructor(method: DescMethodStreaming<I, O>, start: CallStart, requests: AsyncIterator<Uint8Array> | undefined) {
    super(start);
    this.#method = method;
    this.#requests = requests;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  override onHeaders(headers: readonly Header[]): void {
    super.onHeaders(headers);
    this.#answer();
  }

  override onMessage(message: Uint8Array): void {
    this.#answer();
    const waiter = this.#waiters.shift();
    // A waiting message must not keep a whole WebSocket message in memory, most of which belongs to other calls.
    if (waiter === undefined)
      this.#arrived.push(2 * message.length < message.buffer.byteLength ? message.slice() : message);
    else this.#give(message, waiter);
  }

  override cancel(error: ConnectError): void {
    if (!this.isOver) this.#arrived = [];
    super.cancel(error);
  }

  override onSent(): void {
    this.#wakeSender?.();
    this.#wakeSender = undefined;
  }

  protected override begun(connection: Connection): void {
    if (this.#requests !== undefined) void this.#send(this.#requests, connection);
  }

  protected override ended({ message, rest }: ReadResult): void {
    if (message !== undefined) this.onMessage(message);
    if (rest?.status === undefined) this.#finish();
    else this.#finish(errorOfStatus(rest.status, this.headers, this.trailers));
  }

  protected override failed(error: unknown): void {
    this.#finish(error);
  }

  /** The end of the answer: its readers get the messages that have arrived, and then the error if there is one. */
  #finish(error?: unknown): void {
    this.#error = error;
    for (const { name, value } of this.#trailer === undefined ? [] : this.trailers) this.#trailer?.append(name, value);
    if (error === undefined) this.#answer();
    // No effect after the start of the answer: its readers get the error.
    else this.#reject(error);
    for (const waiter of this.#waiters.splice(0)) this.#next(waiter);
    this.onSent();
    this.#requests?.return?.().catch(() => {});
  }

  /** The answer has begun, or ended well. */
  #answer(): void {
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    const { headers } = this;
    const method = this.#method;
    let header: Headers | undefined;
    const trailer = () => {
      this.#trailer ??= toHeaders(this.trailers);
      return this.#trailer;
    };
    this.#resolve({
      stream: true,
      service: method.parent,
      method,
      message: { [Symbol.asyncIterator]: () => this.#messages },
      get header() {
        header ??= toHeaders(headers);
        return header;
      },
      get trailer() {
        return trailer();
      },
    });
  }

  readonly #messages: AsyncIterator<MessageShape<O>, undefined> = {
    next: () => new Promise((resolve, reject) => this.#next({ resolve, reject })),
    return: async () => {
      this.cancel(new ConnectError("the reader has left", Code.Canceled));
      return { done: true, value: undefined };
    },
  };

  #next(waiter: Waiter<MessageShape<O>>): void {
    const message = this.#arrived.shift();
    if (message !== undefined) {
      this.#give(message, waiter);
    } else if (!this.isOver) {
      this.#waiters.push(waiter);
    } else if (this.#error === undefined) {
      waiter.resolve({ done: true, value: undefined });
    } else {
      waiter.reject(this.#error);
      this.#error = undefined;
    }
  }

  #give(message: Uint8Array, waiter: Waiter<MessageShape<O>>): void {
    this.connection?.taken(this.id, message.length);
    try {
      waiter.resolve({ done: false, value: decode(this.#method.output, message) });
    } catch (thrown) {
      waiter.reject(thrown);
      this.cancel(thrown as ConnectError);
    }
  }

  async #send(requests: AsyncIterator<Uint8Array>, connection: Connection): Promise<void> {
    try {
      for (let bytes = 0, messages = 0; ; ) {
        const { done, value } = await requests.next();
        if (this.isOver) return;
        if (done) break;
        connection.send(this.id, value);
        bytes += value.length;
        messages += 1;
        if (bytes < MAX_WAITING_BYTES && messages < MAX_WAITING_MESSAGES) continue;
        await new Promise<void>((resolve) => {
          this.#wakeSender = resolve;
        });
        if (this.isOver) return;
        bytes = 0;
        messages = 0;
      }
      connection.halfClose(this.id);
    } catch (thrown) {
      this.cancel(ConnectError.from(thrown));
    }
  }
}
