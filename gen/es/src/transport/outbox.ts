import {
  CALL_CREDIT_BYTES,
  costOf,
  FRAME_HEADER_BYTES,
  FrameError,
  FrameKind,
  MAX_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  MAX_SOCKET_MESSAGE_BYTES,
  SOCKET_CREDIT_BYTES,
  writeFrameHeader,
  writeUint32,
} from "./frames.ts";

/** Bytes of the total length, which begins the payload of FIRST. */
const TOTAL_BYTES = 4;

interface Sender {
  credit: number;
  readonly messages: Uint8Array[];
  /** Bytes of the first message that have left. Its whole length is paid for once it has begun. */
  sent: number;
}

/**
 * The sending side of a socket: messages wait here until there is credit for them. Calls take turns, one frame each, so
 * a large message delays the others by one frame.
 *
 * A message begins while both its call and the socket have credit, and pays then: so a message may be larger than the
 * credit, and one that has begun never waits for credit.
 */
export class Outbox {
  readonly #calls = new Map<number, Sender>();
  /** Calls with messages, in the order of their turns. */
  readonly #turns = new Set<number>();
  #control: Uint8Array[] = [];
  #credit = SOCKET_CREDIT_BYTES;

  /** Begins to send for a call. */
  open(call: number): void {
    this.#calls.set(call, { credit: CALL_CREDIT_BYTES, messages: [], sent: 0 });
  }

  /** Ends a call: its waiting messages never leave. */
  close(call: number): void {
    this.#calls.delete(call);
    this.#turns.delete(call);
  }

  /** Adds a message of an open call. */
  send(call: number, message: Uint8Array): void {
    const sender = this.#calls.get(call);
    if (sender === undefined) throw new Error(`call ${call} is not open`);
    sender.messages.push(message);
    this.#turns.add(call);
  }

  /**
   * Pays for a message that leaves inside REQUEST or RESULT, as a control frame.
   *
   * @returns false when there is no credit, or other messages of the call wait for theirs: the message is sent by
   *   `send` then, in frames of its own
   */
  pay(call: number, messageBytes: number): boolean {
    const sender = this.#calls.get(call);
    if (sender === undefined || sender.messages.length > 0) return false;
    return this.#pay(sender, messageBytes);
  }

  /** Adds an encoded frame that needs no credit. Such frames leave first, in their order. */
  control(frame: Uint8Array): void {
    this.#control.push(frame);
  }

  /**
   * Adds credit that the peer gave, for a call or (call 0) for the socket. A call that has ended needs none.
   *
   * @throws FrameError for no credit at all, and for more than a sender may hold
   */
  give(call: number, bytes: number): void {
    const sender = call === 0 ? undefined : this.#calls.get(call);
    const sum = bytes + (sender?.credit ?? this.#credit);
    if (bytes === 0) throw new FrameError("a CREDIT frame gives 0 bytes", 4413);
    if (bytes > MAX_CREDIT_BYTES || ((sender !== undefined || call === 0) && sum > MAX_CREDIT_BYTES)) {
      throw new FrameError(`a CREDIT frame raises a credit over ${MAX_CREDIT_BYTES} bytes`, 4413);
    }
    if (sender !== undefined) sender.credit = sum;
    else if (call === 0) this.#credit = sum;
  }

  /** Messages of a call that have not left in full. */
  waiting(call: number): number {
    return this.#calls.get(call)?.messages.length ?? 0;
  }

  /** The next WebSocket message; undefined when nothing can leave now. */
  take(maxBytes: number = MAX_SOCKET_MESSAGE_BYTES): Uint8Array | undefined {
    const frames: Uint8Array[] = [];
    let bytes = 0;
    let controls = 0;
    for (const frame of this.#control) {
      if (bytes > 0 && bytes + frame.length > maxBytes) break;
      frames.push(frame);
      bytes += frame.length;
      controls++;
    }
    this.#control = this.#control.slice(controls);
    for (let blocked = 0; blocked < this.#turns.size; ) {
      if (bytes > 0 && bytes + FRAME_HEADER_BYTES + MAX_FRAME_BYTES > maxBytes) break;
      const [call] = this.#turns;
      const frame = this.#nextFrame(call);
      // To the end of the line.
      this.#turns.delete(call);
      if (this.waiting(call) > 0) this.#turns.add(call);
      if (frame === undefined) {
        blocked++;
        continue;
      }
      blocked = 0;
      frames.push(frame);
      bytes += frame.length;
    }
    return frames.length === 0 ? undefined : joined(frames, bytes);
  }

  #pay(sender: Sender, messageBytes: number): boolean {
    if (sender.credit <= 0 || this.#credit <= 0) return false;
    const cost = costOf(messageBytes);
    sender.credit -= cost;
    this.#credit -= cost;
    return true;
  }

  #nextFrame(call: number): Uint8Array | undefined {
    const sender = this.#calls.get(call) as Sender;
    const [message] = sender.messages;
    const begins = sender.sent === 0;
    if (begins && !this.#pay(sender, message.length)) return undefined;
    const whole = begins && message.length <= MAX_FRAME_BYTES;
    const prefix = begins && !whole ? TOTAL_BYTES : 0;
    const part = message.subarray(sender.sent, sender.sent + MAX_FRAME_BYTES - prefix);
    const frame = new Uint8Array(FRAME_HEADER_BYTES + prefix + part.length);
    const kind = whole ? FrameKind.MESSAGE : begins ? FrameKind.FIRST : FrameKind.NEXT;
    const at = writeFrameHeader(frame, 0, kind, call, prefix + part.length);
    if (prefix > 0) writeUint32(frame, at, message.length);
    frame.set(part, at + prefix);
    sender.sent += part.length;
    if (sender.sent === message.length) {
      sender.messages.shift();
      sender.sent = 0;
    }
    return frame;
  }
}

function joined(frames: readonly Uint8Array[], bytes: number): Uint8Array {
  if (frames.length === 1) return frames[0];
  const message = new Uint8Array(bytes);
  let at = 0;
  for (const frame of frames) {
    message.set(frame, at);
    at += frame.length;
  }
  return message;
}
