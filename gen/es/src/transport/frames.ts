/** Bytes before the payload of a frame: kind, call id, length. */
export const FRAME_HEADER_BYTES = 9;
/** Largest payload of a frame. */
export const MAX_FRAME_BYTES = 65_536;
/** Largest WebSocket message: whole frames only. */
export const MAX_SOCKET_MESSAGE_BYTES = 262_144;
/** Credit of a call in each direction when it begins, in bytes. */
export const CALL_CREDIT_BYTES = 262_144;
/** Credit of a socket in each direction when it opens, in bytes. */
export const SOCKET_CREDIT_BYTES = 1_048_576;
/** The most that one message costs, in bytes of credit: so the largest one leaves credit to other calls. */
const MAX_COST_BYTES = 262_144;
/** Credit that a message costs beyond its length: its receiver has to hold more than the bytes of a small message. */
const MESSAGE_COST_BYTES = 64;
/** Largest credit that a sender may hold. */
export const MAX_CREDIT_BYTES = 2 ** 31 - 1;

/** The kinds of frames; docs/websocket.md describes each. */
export const FrameKind = {
  SETTINGS: 1,
  REQUEST: 2,
  MESSAGE: 3,
  FIRST: 4,
  NEXT: 5,
  HALF_CLOSE: 6,
  RESPONSE: 7,
  RESULT: 8,
  RESET: 9,
  CREDIT: 10,
  GOAWAY: 11,
  PING: 12,
  PONG: 13,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

const LAST_KIND = FrameKind.PONG;

/** A frame. The payload is a view of the bytes that it was read from. */
export interface Frame {
  readonly kind: FrameKind;
  /** The call; 0: the socket. */
  readonly call: number;
  readonly payload: Uint8Array;
}

/** Thrown for bytes that break the protocol of frames. The socket closes with `closeCode`. */
export class FrameError extends Error {
  override readonly name = "FrameError";
  /** 4400: broken frames. 4413: more bytes than the credit allows. */
  readonly closeCode: number;

  constructor(message: string, closeCode = 4400) {
    super(message);
    this.closeCode = closeCode;
  }
}

/** Credit that a message costs, of its call and of the socket, when it begins. */
export function costOf(messageBytes: number): number {
  return Math.min(messageBytes + MESSAGE_COST_BYTES, MAX_COST_BYTES);
}

/** Writes the header of a frame at `at`; returns the position behind it. */
export function writeFrameHeader(
  target: Uint8Array,
  at: number,
  kind: FrameKind,
  call: number,
  payloadBytes: number,
): number {
  target[at] = kind;
  writeUint32(target, at + 1, call);
  writeUint32(target, at + 5, payloadBytes);
  return at + FRAME_HEADER_BYTES;
}

/** A frame as bytes. The payload has at most MAX_FRAME_BYTES. */
export function encodeFrame(kind: FrameKind, call: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  frame.set(payload, writeFrameHeader(frame, 0, kind, call, payload.length));
  return frame;
}

/** The frame that gives credit, for a call or (call 0) for the socket. */
export function creditFrame(call: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  writeUint32(payload, 0, bytes);
  return encodeFrame(FrameKind.CREDIT, call, payload);
}

/**
 * The frames of one WebSocket message, in order.
 *
 * @throws FrameError for an empty message, an unknown kind, a payload that is too large, and a frame that is cut off
 */
export function* readFrames(message: Uint8Array): Generator<Frame, void, undefined> {
  if (message.length === 0) throw new FrameError("a WebSocket message holds no frame");
  for (let at = 0; at < message.length; ) {
    if (message.length - at < FRAME_HEADER_BYTES) throw new FrameError("a frame ends inside its header");
    const kind = message[at];
    if (kind < 1 || kind > LAST_KIND) throw new FrameError(`${kind} is no kind of a frame`);
    const length = readUint32(message, at + 5);
    if (length > MAX_FRAME_BYTES) {
      throw new FrameError(`a frame announces ${length} bytes; the limit is ${MAX_FRAME_BYTES}`);
    }
    const start = at + FRAME_HEADER_BYTES;
    if (length > message.length - start) throw new FrameError("a frame ends inside its payload");
    yield {
      kind: kind as FrameKind,
      call: readUint32(message, at + 1),
      payload: message.subarray(start, start + length),
    };
    at = start + length;
  }
}

/** The number that begins the payload of CREDIT and FIRST. @throws FrameError for a payload without it */
export function leadingNumber({ kind, payload }: Frame): number {
  if (payload.length < 4)
    throw new FrameError(`a frame of kind ${kind} has ${payload.length} bytes; expected 4 at least`);
  return readUint32(payload, 0);
}

export function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

function readUint32(source: Uint8Array, at: number): number {
  return source[at] * 0x1000000 + ((source[at + 1] << 16) | (source[at + 2] << 8) | source[at + 3]);
}
