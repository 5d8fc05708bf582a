import type { Message } from "@bufbuild/protobuf";
import type { Frame } from "@streamkit/protocol/transport";
import type { Implementation } from "../routes/implementations.ts";
import { readMessage } from "../routes/reading/read-message.ts";
import { unreadable } from "../routes/reading/refusal.ts";
import type { RequestBytes } from "./request-bytes.ts";

export interface RequestQueueOptions {
  readonly implementation: Implementation;
  readonly bytes: RequestBytes;
  /** True if the method takes one message. */
  readonly single: boolean;
  /** Called for every message that the implementation consumes. */
  readonly onTaken: (messageBytes: number) => void;
}

/** The requests of a stream between the socket and the implementation. They wait in encoded form. */
export class RequestQueue implements AsyncIterableIterator<Message> {
  readonly #options: RequestQueueOptions;
  readonly #waiting: Uint8Array[] = [];
  #state: "open" | "ended" | "failed" = "open";
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /**
   * Accepts a frame of a request. A message that exceeds a limit fails the queue. The implementation learns of that
   * after it has consumed all earlier messages, so it answers those.
   *
   * @throws ConnectError INVALID_FIELD if a message follows the last one
   */
  receive(frame: Frame, message: Uint8Array | undefined): void {
    if (this.#state === "failed") return;
    if (this.#state === "ended") {
      throw unreadable(
        this.#options.single
          ? "the request has more than one message; this method takes one"
          : "a message follows the end of the requests",
      );
    }
    try {
      this.#options.bytes.take(frame);
    } catch (error) {
      this.#endWith(error);
      return;
    }
    if (message !== undefined) this.add(message);
  }

  /** Adds a complete message whose bytes are already counted. */
  add(message: Uint8Array): void {
    this.#options.bytes.arrived();
    this.#waiting.push(ownBytes(message));
    if (this.#options.single) this.#state = "ended";
    this.#wake?.();
  }

  /** Ends the queue: no more messages follow. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#options.bytes.arrived();
    this.#wake?.();
  }

  /** Fails the queue. The implementation gets the failure instead of all messages that it has not consumed. */
  fail(error: unknown): void {
    this.#waiting.length = 0;
    this.#endWith(error);
  }

  #endWith(error: unknown): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#failure = error;
    this.#wake?.();
  }

  /** Drops all waiting messages, because the call has its answer. */
  close(): void {
    this.#waiting.length = 0;
    this.end();
  }

  async next(): Promise<IteratorResult<Message>> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        this.#options.bytes.give(bytes.length);
        this.#options.onTaken(bytes.length);
        return { done: false, value: readMessage(this.#options.implementation, bytes, "binary") };
      }
      if (this.#state === "failed") throw this.#failure;
      if (this.#state === "ended") return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  async return(): Promise<IteratorResult<Message>> {
    return { done: true, value: undefined };
  }
}

/** Returns a message that does not keep a much larger WebSocket message in memory while it waits. */
function ownBytes(message: Uint8Array): Uint8Array {
  return 2 * message.byteLength < message.buffer.byteLength ? new Uint8Array(message) : message;
}
