import { Outbox } from "@streamkit/protocol/transport";
import type { WebSocket } from "ws";
import type { Account } from "../budgets/account.ts";

/** Bytes in this process that wait for the client to read. Beyond this limit, messages stay in the outbox. */
const FULL_BYTES = 256 * 1024;
/** Unread bytes without credit. Beyond this limit, the server stops reading from the client. */
const UNREAD_BYTES = 1024 * 1024;

export interface SenderOptions {
  readonly socket: WebSocket;
  readonly account: Account;
  /** Called when the last frame of a call has left. */
  readonly onEmpty: (call: number) => void;
  /** Called before each write; may add frames. */
  readonly beforeFlush: () => void;
  /** Called when no bytes wait any more. */
  readonly onIdle: () => void;
}

/**
 * Writes the frames of a session. All frames that are ready in one turn of the event loop share a WebSocket message. If
 * the client reads slowly, messages wait in the outbox, and the server stops reading while answers accumulate.
 */
export class Sender {
  readonly outbox: Outbox;
  readonly #options: SenderOptions;
  #scheduled = false;
  #closed = false;
  /** Bytes that the socket has accepted and that have not left this process. */
  #inFlight = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.outbox = new Outbox(options.onEmpty);
  }

  /** True if no bytes wait for the client to read. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && !this.#scheduled && this.outbox.controlBytes === 0;
  }

  /** Sends the ready frames at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Stops sending, because the socket closes or has ended. */
  close(): void {
    const { account, socket } = this.#options;
    if (this.#closed) return;
    this.#closed = true;
    account.give("responseBytes", this.#inFlight);
    this.#inFlight = 0;
    if (socket.isPaused) socket.resume();
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    const { socket, beforeFlush, onIdle } = this.#options;
    beforeFlush();
    while (this.#inFlight < FULL_BYTES) {
      const message = this.outbox.take();
      if (message === undefined) break;
      this.#write(message);
    }
    const unread = this.#inFlight + this.outbox.controlBytes;
    if (unread > UNREAD_BYTES && !socket.isPaused) socket.pause();
    else if (unread <= UNREAD_BYTES / 2 && socket.isPaused) socket.resume();
    if (this.isIdle) onIdle();
  }

  #write(message: Uint8Array): void {
    const { account, socket } = this.#options;
    const bytes = message.length;
    this.#inFlight += bytes;
    account.add("responseBytes", bytes);
    socket.send(message, { binary: true, compress: false }, () => {
      if (this.#closed) return;
      this.#inFlight -= bytes;
      account.give("responseBytes", bytes);
      this.schedule();
    });
  }
}
