import { Code, ConnectError } from "@connectrpc/connect";
import {
  CALL_CREDIT_BYTES,
  encodeFrame,
  type Frame,
  FrameError,
  FrameKind,
  Inbox,
  leadingNumber,
  MAX_FRAME_BYTES,
  Outbox,
  readFrames,
} from "@streamkit/protocol/transport";
import { soon } from "../soon.ts";
import { onWake } from "../wake.ts";
import { type Header, type ReadResult, readReason, readResponse, readResult } from "./answers.ts";
import { type Closing, textOfClosing } from "./closing.ts";
import type { WebSocketLike } from "./platform.ts";
import type { ProcessHold } from "./process-hold.ts";
import { Watch, type WatchTimes } from "./watch.ts";
import { type EncodedRequest, requestBytes, requestFrame } from "./wire.ts";

/** Most bytes that wait in the WebSocket. Others wait in the outbox, where calls take turns and can end. */
const MAX_BUFFERED_BYTES = 1_048_576;
/** Interval of looks whether the WebSocket has room again, in milliseconds: a WebSocket has no event for it. */
const ROOM_MILLIS = 5;
/** Credit that is worth a frame of its own. */
const LEAST_CREDIT_BYTES = CALL_CREDIT_BYTES / 4;
const MAX_PING_BYTES = 125;
const MAX_CALL_ID = 0xffff_ffff;
const NOTHING = new Uint8Array();

/** The functions of a call that its connection calls; none after `onResult` or `onBroken`. */
export interface ConnectionCall {
  onHeaders(headers: readonly Header[]): void;
  /** A whole message, which is a view of `received`. */
  onMessage(message: Uint8Array): void;
  onResult(result: ReadResult): void;
  onBroken(error: Error): void;
  /** All that was sent has left. */
  onSent(): void;
}

/** Options of a connection, and the functions that it calls. */
export interface ConnectionOptions extends WatchTimes {
  readonly readMaxBytes: number;
  readonly hold: ProcessHold;
  /** The first frame of the server has arrived. */
  readonly onHeard: () => void;
  /** The socket has closed, or is given up. */
  readonly onEnd: (closing: Closing) => void;
}

/** One open socket, and the calls that it carries. */
export class Connection {
  readonly #socket: WebSocketLike;
  readonly #options: ConnectionOptions;
  readonly #calls = new Map<number, ConnectionCall>();
  readonly #inbox: Inbox;
  readonly #outbox = new Outbox((id) => this.#calls.get(id)?.onSent());
  readonly #watch: Watch;
  readonly #endWake: () => void;
  #lastId = 0;
  #isFlushing = false;
  #isDraining = false;
  #isOver = false;
  #hasHeard = false;

  /** @param socket is open, and speaks the protocol */
  constructor(socket: WebSocketLike, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#inbox = new Inbox(options.readMaxBytes, LEAST_CREDIT_BYTES);
    this.#watch = new Watch(options, {
      isNeeded: () => this.#calls.size > 0,
      ping: () => {
        this.#outbox.control(encodeFrame(FrameKind.PING, 0, NOTHING));
        this.#flushSoon();
      },
      giveUp: () => this.#close({ code: 4408, reason: "no answer to a ping", isByPeer: false }),
    });
    this.#endWake = onWake(() => this.doubt());
    socket.addEventListener("message", ({ data }) => this.#receiveAll(data));
    socket.addEventListener("close", ({ code, reason }) => this.#end({ code, reason, isByPeer: true }));
    options.hold(false);
  }

  /** True when new calls may begin here. */
  get isOpen(): boolean {
    return !this.#isDraining && !this.#isOver;
  }

  /** Sets the headers of all later calls. */
  settings(payload: Uint8Array): void {
    this.#outbox.control(encodeFrame(FrameKind.SETTINGS, 0, payload));
    this.#flushSoon();
  }

  /** Begins a call; returns its id. */
  begin(call: ConnectionCall, request: EncodedRequest): number {
    this.#lastId += 1;
    const id = this.#lastId;
    if (id === MAX_CALL_ID) this.#drain();
    if (this.#calls.size === 0) this.#options.hold(true);
    this.#calls.set(id, call);
    this.#watch.start();
    this.#inbox.open(id);
    this.#outbox.open(id);
    const { message } = request;
    if (message === undefined) this.#outbox.frame(id, requestFrame(id, request));
    else if (requestBytes(request) <= MAX_FRAME_BYTES && this.#outbox.pay(id, message.length)) {
      this.#outbox.frame(id, requestFrame(id, request));
    } else {
      this.#outbox.frame(id, requestFrame(id, { ...request, message: undefined }));
      this.#outbox.send(id, message);
    }
    this.#flushSoon();
    return id;
  }

  /** Sends a message of a call that sends several. */
  send(id: number, message: Uint8Array): void {
    this.#outbox.send(id, message);
    this.#flushSoon();
  }

  /** Tells the server that a call sends no more messages. */
  halfClose(id: number): void {
    this.#outbox.frame(id, encodeFrame(FrameKind.HALF_CLOSE, id, NOTHING));
    this.#flushSoon();
  }

  /** Gives credit back: the application has taken a message. */
  taken(id: number, messageBytes: number): void {
    this.#inbox.taken(id, messageBytes);
    if (this.#inbox.hasCredits) this.#flushSoon();
  }

  /** Ends a call without a result, and calls none of its functions any more. */
  reset(id: number): void {
    if (!this.#calls.has(id)) return;
    this.#outbox.control(encodeFrame(FrameKind.RESET, id, NOTHING));
    this.#forget(id);
    this.#flushSoon();
  }

  /** Asks the peer for a sign of life, and gives the socket up if none arrives. */
  doubt(): void {
    if (!this.#isOver) this.#watch.doubt();
  }

  /** Closes the socket, and ends its calls with this error. */
  close(error?: Error): void {
    this.#close({ code: 1000, reason: "done", isByPeer: false }, error);
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    if (this.#calls.size === 0) this.close();
  }

  #forget(id: number): void {
    this.#calls.delete(id);
    this.#inbox.close(id);
    this.#outbox.close(id);
    if (this.#calls.size > 0) return;
    this.#options.hold(false);
    if (this.#isDraining) this.close();
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#isOver) return;
    this.#isFlushing = true;
    soon(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushing = false;
    if (this.#isOver) return;
    for (const frame of this.#inbox.credits()) this.#outbox.control(frame);
    while (this.#socket.bufferedAmount < MAX_BUFFERED_BYTES) {
      const message = this.#outbox.take();
      if (message === undefined) return;
      this.#socket.send(message as Uint8Array<ArrayBuffer>);
    }
    this.#isFlushing = true;
    setTimeout(() => this.#flush(), ROOM_MILLIS);
  }

  #receiveAll(data: unknown): void {
    if (this.#isOver) return;
    this.#watch.heard();
    if (!this.#hasHeard) this.#options.onHeard();
    this.#hasHeard = true;
    try {
      if (typeof data === "string") throw new FrameError("a message of text came");
      for (const frame of readFrames(new Uint8Array(data as ArrayBuffer))) this.#receive(frame);
    } catch (thrown) {
      if (!(thrown instanceof FrameError)) throw thrown;
      this.#close({ code: thrown.closeCode, reason: thrown.message, isByPeer: false });
      return;
    }
    if (this.#inbox.hasCredits) this.#flushSoon();
  }

  #receive(frame: Frame): void {
    const { kind, call: id, payload } = frame;
    const isOfSocket = kind === FrameKind.GOAWAY || kind === FrameKind.PING || kind === FrameKind.PONG;
    if (isOfSocket ? id !== 0 : id > this.#lastId || (id === 0 && kind !== FrameKind.CREDIT)) {
      throw new FrameError(`a frame of kind ${kind} has call ${id}`);
    }
    switch (kind) {
      case FrameKind.MESSAGE:
      case FrameKind.FIRST:
      case FrameKind.NEXT: {
        const message = this.#inbox.receive(frame);
        if (message !== undefined) this.#calls.get(id)?.onMessage(message);
        return;
      }
      case FrameKind.RESPONSE: {
        const headers = readResponse(payload);
        this.#calls.get(id)?.onHeaders(headers);
        return;
      }
      case FrameKind.RESULT: {
        const result = readResult(payload);
        if (result.message !== undefined) this.#inbox.pay(id, result.message.length);
        this.#take(id)?.onResult(result);
        return;
      }
      case FrameKind.RESET: {
        const reason = readReason("RESET", payload);
        this.#take(id)?.onBroken(new ConnectError(reason || "the server ended the call early", Code.Unavailable));
        return;
      }
      case FrameKind.CREDIT:
        this.#outbox.give(id, leadingNumber(frame));
        this.#flushSoon();
        return;
      case FrameKind.GOAWAY:
        readReason("GOAWAY", payload);
        this.#drain();
        return;
      case FrameKind.PING:
        if (payload.length > MAX_PING_BYTES) throw new FrameError(`a PING has ${payload.length} bytes`);
        this.#outbox.control(encodeFrame(FrameKind.PONG, 0, payload));
        this.#flushSoon();
        return;
      case FrameKind.PONG:
        return;
      default:
        throw new FrameError(`a server sends no frame of kind ${kind}`);
    }
  }

  #take(id: number): ConnectionCall | undefined {
    const call = this.#calls.get(id);
    if (call !== undefined) this.#forget(id);
    return call;
  }

  #close(closing: Closing, error?: Error): void {
    if (this.#isOver) return;
    this.#end(closing, error);
    this.#socket.close(closing.code, closing.reason.slice(0, 100));
  }

  #end(closing: Closing, error: Error = new ConnectError(textOfClosing(closing), Code.Unavailable)): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.stop();
    this.#endWake();
    this.#options.hold(false);
    this.#options.onEnd(closing);
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.onBroken(error);
  }
}
