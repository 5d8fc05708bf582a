import {
  CALL_CREDIT_BYTES,
  costOf,
  creditFrame,
  type Frame,
  FrameError,
  FrameKind,
  leadingNumber,
  SOCKET_CREDIT_BYTES,
} from "./frames.ts";

const NOTHING = new Uint8Array(0);

interface Receiver {
  credit: number;
  /** Credit that the sender has paid and not got back. */
  owed: number;
  /** The message that is arriving: the bytes so far, with room for more. */
  bytes: Uint8Array;
  total: number;
  missing: number;
  /** True if the application wants no more messages of the call. */
  discards: boolean;
}

/**
 * The receiving side of a socket. It joins the frames of messages, and counts the credit that their senders have used.
 * Credit goes back when the application takes a message, which bounds the memory of an idle application.
 */
export class Inbox {
  readonly #calls = new Map<number, Receiver>();
  /** Credit that goes back: by call, 0 for the socket. */
  readonly #back = new Map<number, number>();
  /** Those of them whose credit is worth a frame. */
  readonly #due = new Set<number>();
  readonly #maxMessageBytes: number;
  readonly #leastCredit: number;
  #credit = SOCKET_CREDIT_BYTES;

  /**
   * @param maxMessageBytes the largest message that a FIRST frame may announce
   * @param leastCredit smallest credit that is worth a frame; smaller ones go back later. No sender stands still for
   *   them as long as this is less than the credit of a call
   */
  constructor(maxMessageBytes: number, leastCredit = 1) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#leastCredit = leastCredit;
  }

  /** Begins to receive for a call. */
  open(call: number): void {
    this.#calls.set(call, {
      credit: CALL_CREDIT_BYTES,
      owed: 0,
      bytes: NOTHING,
      total: 0,
      missing: 0,
      discards: false,
    });
  }

  /**
   * Keeps no more messages of a call, and returns none. They must still be in order and within the credit, which they
   * get back at the end of the call.
   */
  discard(call: number): void {
    const receiver = this.#calls.get(call);
    if (receiver === undefined) return;
    receiver.discards = true;
    receiver.bytes = NOTHING;
  }

  /** Ends a call. The socket gets back all that the call has used. */
  close(call: number): void {
    const receiver = this.#calls.get(call);
    if (receiver === undefined) return;
    this.#calls.delete(call);
    this.#back.delete(call);
    this.#due.delete(call);
    this.#giveBack(0, receiver.owed);
  }

  /**
   * Takes a frame of kind MESSAGE, FIRST or NEXT, and copies parts: a message of one frame is a view of it.
   *
   * @returns the message that is complete with this frame; undefined for a part, and for a call that has ended
   * @throws FrameError for frames out of order, and for more bytes than the credit allows
   */
  receive(frame: Frame): Uint8Array | undefined {
    const { call, kind, payload } = frame;
    const receiver = this.#calls.get(call);
    if (kind === FrameKind.NEXT) return receiver && this.#more(receiver, payload);
    const total = kind === FrameKind.FIRST ? leadingNumber(frame) : payload.length;
    if (total > this.#maxMessageBytes) {
      throw new FrameError(`a message has ${total} bytes; the limit is ${this.#maxMessageBytes}`);
    }
    this.#pay(receiver, costOf(total));
    if (receiver === undefined) return undefined;
    if (receiver.missing > 0) throw new FrameError("a message begins inside another message of its call");
    if (kind === FrameKind.MESSAGE) return receiver.discards ? undefined : payload;
    receiver.total = total;
    receiver.missing = total;
    return this.#more(receiver, payload.subarray(4));
  }

  /**
   * Counts a message that came inside REQUEST or RESULT, which pays like any other. It goes back by `taken` or `close`.
   *
   * @throws FrameError for more bytes than the credit allows
   */
  pay(call: number, messageBytes: number): void {
    this.#pay(this.#calls.get(call), costOf(messageBytes));
  }

  /** Gives credit back for a message that the application has taken. */
  taken(call: number, messageBytes: number): void {
    const bytes = costOf(messageBytes);
    const receiver = this.#calls.get(call);
    // The credit of a call went back with its end.
    if (receiver === undefined) return;
    receiver.owed -= bytes;
    receiver.credit += bytes;
    this.#giveBack(call, bytes);
    this.#giveBack(0, bytes);
  }

  /** True while a message of a call has arrived in part. */
  isReceiving(call: number): boolean {
    return (this.#calls.get(call)?.missing ?? 0) > 0;
  }

  /** True when there is credit that is worth a frame. */
  get hasCredits(): boolean {
    return this.#due.size > 0;
  }

  /** The CREDIT frames that are due: one per call, and one for the socket. */
  credits(): Uint8Array[] {
    const frames = [...this.#due].map((call) => {
      const bytes = this.#back.get(call) as number;
      this.#back.delete(call);
      return creditFrame(call, bytes);
    });
    this.#due.clear();
    return frames;
  }

  #pay(receiver: Receiver | undefined, cost: number): void {
    if (this.#credit <= 0 || (receiver !== undefined && receiver.credit <= 0)) {
      throw new FrameError("a message begins without credit", 4413);
    }
    this.#credit -= cost;
    if (receiver === undefined) {
      // Sent before its sender learnt of the end of the call.
      this.#giveBack(0, cost);
      return;
    }
    receiver.credit -= cost;
    receiver.owed += cost;
  }

  #more(receiver: Receiver, part: Uint8Array): Uint8Array | undefined {
    if (part.length === 0 || part.length > receiver.missing) {
      throw new FrameError(`a part of a message has ${part.length} bytes; ${receiver.missing} are missing`);
    }
    const had = receiver.total - receiver.missing;
    receiver.missing -= part.length;
    if (receiver.discards) return undefined;
    // A view would keep the whole WebSocket message in memory, which may be much larger. The memory grows with the
    // bytes that have arrived: a sender may announce 4 GiB, and may send one byte at a time.
    if (had + part.length > receiver.bytes.length) {
      const grown = new Uint8Array(Math.min(receiver.total, Math.max(had + part.length, 2 * had)));
      grown.set(receiver.bytes.subarray(0, had));
      receiver.bytes = grown;
    }
    receiver.bytes.set(part, had);
    if (receiver.missing > 0) return undefined;
    const message = receiver.bytes;
    receiver.bytes = NOTHING;
    return message;
  }

  #giveBack(call: number, bytes: number): void {
    if (bytes === 0) return;
    if (call === 0) this.#credit += bytes;
    const sum = (this.#back.get(call) ?? 0) + bytes;
    this.#back.set(call, sum);
    if (sum >= this.#leastCredit) this.#due.add(call);
  }
}
