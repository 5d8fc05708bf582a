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

/** An encoded frame that needs no credit, behind the messages of its call. */
interface FreeFrame {
  readonly frame: Uint8Array;
}

interface Sender {
  readonly call: number;
  credit: number;
  /** Messages and frames, in their order. */
  readonly items: (Uint8Array | FreeFrame)[];
  /** Bytes of the first item that have left. Its whole length is paid for once it has begun. */
  sent: number;
  /** True if the call is over once its items have left. */
  ends: boolean;
  /** Control frames that leave before the items, counted from the first of the socket. */
  behind: number;
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
  /** Calls whose next item begins now and that have credit of their own, in the order of their turns. */
  readonly #beginning = new Set<Sender>();
  /** Calls in the middle of a message, in the order of their turns. They need no credit. */
  readonly #begun = new Set<Sender>();
  readonly #onEmpty: ((call: number) => void) | undefined;
  #control: Uint8Array[] = [];
  #controlBytes = 0;
  #controlsLeft = 0;
  #credit = SOCKET_CREDIT_BYTES;
  #turnOfBegun = true;

  /** @param onEmpty told of a call when the last of its messages and frames has left */
  constructor(onEmpty?: (call: number) => void) {
    this.#onEmpty = onEmpty;
  }

  /** Begins to send for a call. */
  open(call: number): void {
    this.#calls.set(call, { call, credit: CALL_CREDIT_BYTES, items: [], sent: 0, ends: false, behind: 0 });
  }

  /** Ends a call: its waiting messages never leave. */
  close(call: number): void {
    const sender = this.#calls.get(call);
    if (sender === undefined) return;
    this.#calls.delete(call);
    this.#beginning.delete(sender);
    this.#begun.delete(sender);
  }

  /** Adds a message of an open call. */
  send(call: number, message: Uint8Array): void {
    const sender = this.#opened(call);
    sender.items.push(message);
    if (sender.items.length === 1) this.#queue(sender);
  }

  /**
   * Pays for a message that leaves inside REQUEST or RESULT, as a control frame.
   *
   * @returns false when there is no credit, or other messages of the call wait for theirs: the message is sent by
   *   `send` then, in frames of its own
   */
  pay(call: number, messageBytes: number): boolean {
    const sender = this.#calls.get(call);
    if (sender === undefined || sender.items.length > 0 || sender.credit <= 0 || this.#credit <= 0) return false;
    this.#pay(sender, messageBytes);
    return true;
  }

  /**
   * Adds an encoded frame of an open call that needs no credit, behind the messages of the call and before later ones.
   *
   * @param ends true if the frame ends the call
   */
  frame(call: number, frame: Uint8Array, ends = false): void {
    const sender = this.#opened(call);
    sender.ends ||= ends;
    if (sender.items.length > 0) {
      sender.items.push({ frame });
      return;
    }
    this.#controlOf(sender, frame);
    this.#emptied(sender);
  }

  /** Adds an encoded frame that needs no credit. Such frames leave first, in their order. */
  control(frame: Uint8Array): void {
    this.#control.push(frame);
    this.#controlBytes += frame.length;
  }

  /** Bytes of the frames that wait though they need no credit: the peer reads too slowly. */
  get controlBytes(): number {
    return this.#controlBytes;
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
    if (call === 0) this.#credit = sum;
    if (sender === undefined) return;
    sender.credit = sum;
    if (sender.items.length > 0) this.#queue(sender);
  }

  /** Messages and frames of a call that have not left in full. */
  waiting(call: number): number {
    return this.#calls.get(call)?.items.length ?? 0;
  }

  /** The next WebSocket message; undefined when nothing can leave now. */
  take(maxBytes: number = MAX_SOCKET_MESSAGE_BYTES): Uint8Array | undefined {
    const frames: Uint8Array[] = [];
    // Frames that need no credit leave room for messages.
    let bytes = this.#takeControl(frames, 0, maxBytes / 2);
    while (bytes === 0 || bytes + FRAME_HEADER_BYTES + MAX_FRAME_BYTES <= maxBytes) {
      const sender = this.#next();
      if (sender === undefined || sender.behind > this.#controlsLeft) break;
      const frame = this.#nextFrame(sender);
      frames.push(frame);
      bytes += frame.length;
    }
    bytes = this.#takeControl(frames, bytes, maxBytes);
    return frames.length === 0 ? undefined : joined(frames, bytes);
  }

  /** Moves control frames into a message of so many bytes; returns the bytes of the message. */
  #takeControl(frames: Uint8Array[], bytes: number, maxBytes: number): number {
    let count = 0;
    let total = bytes;
    for (const frame of this.#control) {
      if (total > 0 && total + frame.length > maxBytes) break;
      frames.push(frame);
      total += frame.length;
      count++;
    }
    this.#control = count === this.#control.length ? [] : this.#control.slice(count);
    this.#controlBytes -= total - bytes;
    this.#controlsLeft += count;
    return total;
  }

  #opened(call: number): Sender {
    const sender = this.#calls.get(call);
    if (sender === undefined) throw new Error(`call ${call} is not open`);
    return sender;
  }

  /** Puts a call with items to the end of the line, unless it has no credit. */
  #queue(sender: Sender): void {
    if (sender.sent > 0) this.#begun.add(sender);
    else if (sender.credit > 0) this.#beginning.add(sender);
  }

  /** The call whose turn it is. Calls that begin alternate with those that go on. */
  #next(): Sender | undefined {
    const [begun] = this.#begun;
    const [beginning] = this.#beginning;
    const mayBegin = beginning !== undefined && this.#credit > 0;
    if (begun === undefined) return mayBegin ? beginning : undefined;
    this.#turnOfBegun = mayBegin ? !this.#turnOfBegun : true;
    return this.#turnOfBegun ? begun : beginning;
  }

  #nextFrame(sender: Sender): Uint8Array {
    this.#beginning.delete(sender);
    this.#begun.delete(sender);
    const frame = this.#part(sender, sender.items[0] as Uint8Array);
    for (let [item] = sender.items; item !== undefined && !(item instanceof Uint8Array); [item] = sender.items) {
      this.#controlOf(sender, item.frame);
      sender.items.shift();
    }
    if (sender.items.length > 0) this.#queue(sender);
    else this.#emptied(sender);
    return frame;
  }

  #controlOf(sender: Sender, frame: Uint8Array): void {
    this.control(frame);
    sender.behind = this.#controlsLeft + this.#control.length;
  }

  #part(sender: Sender, message: Uint8Array): Uint8Array {
    const begins = sender.sent === 0;
    if (begins) this.#pay(sender, message.length);
    const isWhole = begins && message.length <= MAX_FRAME_BYTES;
    const prefix = begins && !isWhole ? TOTAL_BYTES : 0;
    const part = message.subarray(sender.sent, sender.sent + MAX_FRAME_BYTES - prefix);
    const frame = new Uint8Array(FRAME_HEADER_BYTES + prefix + part.length);
    const kind = isWhole ? FrameKind.MESSAGE : begins ? FrameKind.FIRST : FrameKind.NEXT;
    const at = writeFrameHeader(frame, 0, kind, sender.call, prefix + part.length);
    if (prefix > 0) writeUint32(frame, at, message.length);
    frame.set(part, at + prefix);
    sender.sent += part.length;
    if (sender.sent === message.length) {
      sender.items.shift();
      sender.sent = 0;
    }
    return frame;
  }

  #pay(sender: Sender, messageBytes: number): void {
    const cost = costOf(messageBytes);
    sender.credit -= cost;
    this.#credit -= cost;
  }

  #emptied(sender: Sender): void {
    if (sender.ends) this.close(sender.call);
    this.#onEmpty?.(sender.call);
  }
}

/** The frames as one buffer, without a copy if they are neighbours in memory. */
function joined(frames: readonly Uint8Array[], bytes: number): Uint8Array {
  const [{ buffer, byteOffset }] = frames;
  let end = byteOffset;
  const areNeighbours = frames.every((frame) => {
    const follows = frame.buffer === buffer && frame.byteOffset === end;
    end += frame.length;
    return follows;
  });
  if (areNeighbours) return new Uint8Array(buffer, byteOffset, bytes);
  const message = new Uint8Array(bytes);
  let at = 0;
  for (const frame of frames) {
    message.set(frame, at);
    at += frame.length;
  }
  return message;
}
