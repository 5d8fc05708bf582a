import { fromBinary } from "@bufbuild/protobuf";
import {
  type Frame,
  FrameKind,
  MAX_SOCKET_MESSAGE_BYTES,
  type Result,
  ResultSchema,
  readFrames,
} from "@streamkit/protocol/transport";
import { check } from "./exchange.ts";

/** Credit of docs/websocket.md, in bytes. The suite counts for itself: it shares no counting with a server. */
const CALL_CREDIT = 262_144;
const SOCKET_CREDIT = 1_048_576;
const MOST_COST = 262_144;
const MESSAGE_COST = 64;

const OF_SOCKET: ReadonlySet<number> = new Set([FrameKind.GOAWAY, FrameKind.PING, FrameKind.PONG]);
const OF_SERVERS: ReadonlySet<number> = new Set([
  FrameKind.MESSAGE,
  FrameKind.FIRST,
  FrameKind.NEXT,
  FrameKind.RESPONSE,
  FrameKind.RESULT,
  FrameKind.RESET,
  FrameKind.CREDIT,
  ...OF_SOCKET,
]);

/** The cost of a message in credit. */
export function costOf(bytes: number): number {
  return Math.min(bytes + MESSAGE_COST, MOST_COST);
}

/** A call, as far as the frames of the server tell. */
export interface ReceivedCall {
  /** Complete messages, in their order, without that of RESULT. */
  readonly messages: Uint8Array[];
  /** Headers of RESPONSE have arrived. */
  responded: boolean;
  result?: Result;
  /** The server ended the call with RESET. */
  reset: boolean;
  /** The client ended the call with RESET. */
  cancelled: boolean;
  /** Credit that the server has for messages of the call. */
  credit: number;
  /** Credit that the messages of the call have cost, and that did not go back. */
  owed: number;
  /** Bytes that the unfinished message lacks. */
  missing: number;
  parts: Uint8Array[];
}

/** The frames of the server on one socket. It checks each against the rules of docs/websocket.md. */
export class Received {
  readonly calls = new Map<number, ReceivedCall>();
  /** Credit that the server gave, by call; 0 for the socket. */
  readonly given = new Map<number, number>();
  readonly pongs: string[] = [];
  goneAway = false;
  /** Frames that have arrived. */
  frames = 0;
  /** Credit that the server has for messages on the socket. */
  #credit = SOCKET_CREDIT;

  /** Begins a call. */
  open(call: number): void {
    this.calls.set(call, {
      messages: [],
      responded: false,
      reset: false,
      cancelled: false,
      credit: CALL_CREDIT,
      owed: 0,
      missing: 0,
      parts: [],
    });
  }

  /** Credit that the client gives. */
  give(call: number, bytes: number): void {
    const receiver = this.calls.get(call);
    if (call === 0) this.#credit += bytes;
    else if (receiver !== undefined) receiver.credit += bytes;
  }

  /** @throws FrameMismatch for a WebSocket message that a server must not send */
  message(data: unknown): void {
    check(data instanceof ArrayBuffer, "the server sent a text message; expected binary");
    check(data.byteLength <= MAX_SOCKET_MESSAGE_BYTES, `the server sent a message of ${data.byteLength} bytes`);
    for (const frame of readFrames(new Uint8Array(data))) {
      this.frames++;
      this.#frame(frame);
    }
  }

  #frame(frame: Frame): void {
    const { kind, call, payload } = frame;
    check(OF_SERVERS.has(kind), `the server sent a frame of kind ${kind}, which only clients send`);
    if (kind === FrameKind.CREDIT) {
      const bytes = Buffer.from(payload).readUInt32BE(0);
      check(bytes > 0 && payload.length === 4, `the server gave ${bytes} bytes of credit`);
      check(call === 0 || this.calls.has(call), `the server gave credit to the unused call ${call}`);
      this.given.set(call, (this.given.get(call) ?? 0) + bytes);
      return;
    }
    check(OF_SOCKET.has(kind) === (call === 0), `the server sent a frame of kind ${kind} with the call id ${call}`);
    if (kind === FrameKind.GOAWAY) this.goneAway = true;
    if (kind === FrameKind.PONG) this.pongs.push(Buffer.from(payload).toString("hex"));
    if (call !== 0) this.#frameOfCall(frame);
  }

  #frameOfCall({ kind, call, payload }: Frame): void {
    const receiver = this.calls.get(call);
    check(receiver !== undefined, `the server sent a frame of kind ${kind} for the unused call ${call}`);
    check(
      receiver.result === undefined && !receiver.reset,
      `the server sent kind ${kind} behind the end of call ${call}`,
    );
    switch (kind) {
      case FrameKind.RESPONSE:
        check(
          !receiver.responded && receiver.messages.length === 0 && receiver.missing === 0,
          "RESPONSE comes too late",
        );
        receiver.responded = true;
        break;
      case FrameKind.MESSAGE:
        this.#begin(call, receiver, payload.length);
        receiver.messages.push(payload);
        break;
      case FrameKind.FIRST: {
        check(payload.length > 4, "FIRST has no bytes of its message");
        const total = Buffer.from(payload).readUInt32BE(0);
        this.#begin(call, receiver, total);
        receiver.missing = total;
        this.#more(receiver, payload.subarray(4));
        break;
      }
      case FrameKind.NEXT:
        this.#more(receiver, payload);
        break;
      case FrameKind.RESULT: {
        check(receiver.missing === 0, `RESULT comes inside an unfinished message of call ${call}`);
        const result = fromBinary(ResultSchema, payload);
        if (result.message !== undefined) this.#begin(call, receiver, result.message.length);
        receiver.result = result;
        break;
      }
      default:
        receiver.reset = true;
    }
  }

  #begin(call: number, receiver: ReceivedCall, bytes: number): void {
    check(receiver.missing === 0, `a message begins inside another message of call ${call}`);
    check(receiver.credit > 0, `a message begins without credit of call ${call}`);
    check(this.#credit > 0, `a message of call ${call} begins without credit of the socket`);
    const cost = costOf(bytes);
    receiver.credit -= cost;
    receiver.owed += cost;
    this.#credit -= cost;
  }

  #more(receiver: ReceivedCall, part: Uint8Array): void {
    const { missing } = receiver;
    check(part.length > 0 && part.length <= missing, `a part has ${part.length} bytes; ${missing} are missing`);
    receiver.parts.push(part);
    receiver.missing -= part.length;
    if (receiver.missing > 0) return;
    receiver.messages.push(Buffer.concat(receiver.parts));
    receiver.parts = [];
  }
}
