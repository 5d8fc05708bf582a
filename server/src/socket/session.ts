import {
  encodeFrame,
  type Frame,
  FrameError,
  FrameKind,
  leadingNumber,
  readFrames,
} from "@streamkit/protocol/transport";
import type { WebSocket } from "ws";
import type { Account } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";
import type { Deadlines } from "../budgets/deadlines.ts";
import { type ServerLimits, UNARY_CALLS_PER_CONNECTION } from "../budgets/limits.ts";
import type { Events } from "../events.ts";
import type { Implementations } from "../routes/implementations.ts";
import { Calls } from "./calls.ts";
import type { UpgradeAccess } from "./context.ts";
import { type Header, MAX_HEADER_BYTES, MAX_HEADERS } from "./headers.ts";
import { checkReset, readRequest, readSettings } from "./read-payload.ts";
import { Sender } from "./sender.ts";
import { TokenBucket } from "./token-bucket.ts";

const CANCELS_PER_SECOND = 500;
const MAX_PINGS = 100;
const PINGS_PER_SECOND = 10;
const MAX_PING_BYTES = 125;
/** Longest reason of a close, in characters of one byte. */
const MAX_REASON = 120;

const ONLY_OF_SOCKET: ReadonlySet<FrameKind> = new Set([FrameKind.SETTINGS, FrameKind.PING, FrameKind.PONG]);

export interface SessionOptions {
  readonly implementations: Implementations;
  readonly admission: Admission;
  readonly events: Events;
  readonly limits: ServerLimits;
  readonly account: Account;
  /** The request that opened the socket, as authentication sees it. */
  readonly upgrade: UpgradeAccess;
}

/** The server's side of one socket. It reads frames and passes them to the calls. */
export class Session {
  readonly #socket: WebSocket;
  readonly #events: Events;
  readonly #sender: Sender;
  readonly #calls: Calls;
  readonly #cancels: TokenBucket;
  readonly #pings = new TokenBucket(MAX_PINGS, PINGS_PER_SECOND);
  /** The deadline of the first call with a principal. Undefined without one, and after that call. */
  #anonymous: Disposable | undefined;
  /** Headers of the latest SETTINGS. */
  #headers: readonly Header[] = [];
  /**
   * After "going", the server refuses new calls. After "finishing", it closes the socket as soon as no call is open.
   */
  #state: "open" | "going" | "finishing" | "closed" = "open";

  constructor(socket: WebSocket, options: SessionOptions) {
    const { implementations, admission, events, limits, account, upgrade } = options;
    this.#socket = socket;
    this.#events = events;
    const maxCalls = limits.streamsPerConnection + UNARY_CALLS_PER_CONNECTION;
    this.#cancels = new TokenBucket(maxCalls, CANCELS_PER_SECOND);
    this.#sender = new Sender({
      socket,
      account,
      onEmpty: (call) => this.#calls.emptied(call),
      beforeFlush: () => this.#calls.addCredits(),
      onIdle: () => this.#closeIfDone(),
    });
    const parts = { implementations, admission, events, account, sender: this.#sender, maxCalls, upgrade };
    const onPrincipal = () => this.#anonymous?.[Symbol.dispose]();
    this.#calls = new Calls({ ...parts, onPrincipal, onNone: () => this.#closeIfDone() });
  }

  /**
   * Closes the socket if no call has had a principal when the deadline passes, and no call is open. An open call
   * without a principal, which only watches the health of the server, begins the deadline anew.
   */
  expectPrincipal(deadlines: Deadlines): void {
    this.#anonymous = deadlines.begin(() => {
      if (this.#calls.size > 0) this.expectPrincipal(deadlines);
      else this.close(4401, "no call of the socket had credentials in time");
    });
  }

  /** Accepts a WebSocket message. Never throws: bytes that break the protocol close the socket. */
  receive(message: Uint8Array, isBinary: boolean): void {
    try {
      if (!isBinary) throw new FrameError("a WebSocket message is text; expected binary");
      for (const frame of readFrames(message)) {
        if (this.#state === "closed") return;
        this.#receive(frame);
      }
      this.#calls.giveCredits();
    } catch (error) {
      if (this.#state === "closed") return;
      if (error instanceof FrameError) {
        this.#break(error);
        return;
      }
      const text = "a WebSocket failed because of a defect";
      this.#events.report({ level: "error", kind: "internal-error", message: text, cause: error });
      this.close(1011, "internal error");
    }
  }

  /** Counts a ping at the level of WebSocket. */
  pinged(): void {
    if (this.#state !== "closed" && !this.#pings.take()) this.#break(new FrameError("too many pings", 4429));
  }

  /** Tells the client that the server stops. Open calls continue; new ones are refused. */
  goAway(): void {
    if (this.#state !== "open") return;
    this.#state = "going";
    this.#calls.stop();
    this.#sender.outbox.control(encodeFrame(FrameKind.GOAWAY, 0, new Uint8Array()));
    this.#sender.schedule();
  }

  /** Closes the socket once all open calls have ended. */
  finish(): void {
    this.goAway();
    if (this.#state !== "closed") this.#state = "finishing";
    this.#closeIfDone();
  }

  /** Ends all calls and closes the socket. */
  close(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.end();
    this.#socket.close(code, reason.slice(0, MAX_REASON));
  }

  /** Ends all calls, because the socket has ended. */
  end(): void {
    this.#state = "closed";
    this.#anonymous?.[Symbol.dispose]();
    this.#sender.close();
    this.#calls.endAll();
  }

  #receive(frame: Frame): void {
    const { kind, call, payload } = frame;
    if (ONLY_OF_SOCKET.has(kind) && call !== 0) throw new FrameError(`${nameOf(kind)} has the id ${call}; expected 0`);
    switch (kind) {
      case FrameKind.SETTINGS:
        this.#set(payload);
        break;
      case FrameKind.REQUEST:
        this.#calls.begin(call, readRequest(payload), this.#headers);
        break;
      case FrameKind.MESSAGE:
      case FrameKind.FIRST:
      case FrameKind.NEXT:
        this.#calls.receive(frame);
        break;
      case FrameKind.HALF_CLOSE:
        if (payload.length > 0) throw new FrameError("HALF_CLOSE has a payload; expected none");
        this.#calls.receive(frame);
        break;
      case FrameKind.RESET:
        checkReset(payload);
        if (!this.#cancels.take()) throw new FrameError("too many RESET and SETTINGS", 4429);
        this.#calls.reset(frame);
        break;
      case FrameKind.CREDIT:
        if (payload.length !== 4) throw new FrameError(`CREDIT has ${payload.length} bytes; expected 4`);
        this.#calls.give(frame, leadingNumber(frame));
        break;
      case FrameKind.PING:
        this.#pong(payload);
        break;
      case FrameKind.PONG:
        if (payload.length > MAX_PING_BYTES) throw new FrameError("PONG has more than 125 bytes");
        break;
      default:
        throw new FrameError(`only servers send ${nameOf(kind)}`);
    }
  }

  #set(payload: Uint8Array): void {
    if (!this.#cancels.take()) throw new FrameError("too many RESET and SETTINGS", 4429);
    const { headers, tooLarge, valid } = readSettings(payload);
    if (tooLarge) {
      throw new FrameError(
        `SETTINGS has more than ${MAX_HEADERS} headers, or more than ${MAX_HEADER_BYTES} bytes`,
        4413,
      );
    }
    if (!valid) throw new FrameError("SETTINGS has a header with a name or a value that HTTP could not carry");
    this.#headers = headers;
  }

  #pong(payload: Uint8Array): void {
    if (payload.length > MAX_PING_BYTES) throw new FrameError("PING has more than 125 bytes");
    if (!this.#pings.take()) throw new FrameError("too many pings", 4429);
    this.#sender.outbox.control(encodeFrame(FrameKind.PONG, 0, payload));
    this.#sender.schedule();
  }

  #closeIfDone(): void {
    if (this.#state === "finishing" && this.#calls.size === 0 && this.#sender.isIdle) this.close(1001, "shutting down");
  }

  #break({ closeCode, message }: FrameError): void {
    const text = `a WebSocket was closed with ${closeCode}: ${message}`;
    this.#events.report({ level: "info", kind: "connection-refused", message: text });
    this.close(closeCode, message);
  }
}

function nameOf(kind: FrameKind): string {
  return Object.entries(FrameKind).find(([, value]) => value === kind)?.[0] ?? `kind ${kind}`;
}
