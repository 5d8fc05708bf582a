/**
 * A client written from docs/websocket.md alone: it shares no code with the server, not even the frames. Messages of
 * `streamkit.transport.v1` are encoded by hand; those of the RPCs are the caller's affair.
 */
import { once } from "node:events";
import { WebSocket } from "ws";

export const KIND = {
  settings: 1,
  request: 2,
  message: 3,
  first: 4,
  next: 5,
  halfClose: 6,
  response: 7,
  result: 8,
  reset: 9,
  credit: 10,
  goaway: 11,
  ping: 12,
  pong: 13,
} as const;

/** A frame as it arrived. */
export interface RawFrame {
  readonly kind: number;
  readonly call: number;
  readonly payload: Buffer;
  /** The number of the WebSocket message that it was in. */
  readonly message: number;
}

/** A RESULT, taken apart. */
export interface RawResult {
  readonly message: Buffer | undefined;
  /** A code of gRPC; 0 for a call that succeeded. */
  readonly code: number;
  readonly text: string;
  readonly details: { readonly type: string; readonly value: Buffer }[];
  readonly headers: [string, string][];
  readonly trailers: [string, string][];
}

export function rawFrame(kind: number, call: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head[0] = kind;
  head.writeUInt32BE(call, 1);
  head.writeUInt32BE(payload.length, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** A length-delimited field of protobuf. */
export function field(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

export interface RawRequest {
  readonly path: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly timeoutMillis?: number;
  readonly message?: Uint8Array;
}

function headerFields(headers: readonly (readonly [string, string])[], number: number): Buffer[] {
  return headers.map(([name, value]) => field(number, Buffer.concat([field(1, name), field(2, value)])));
}

export function requestPayload({ path, headers = [], timeoutMillis, message }: RawRequest): Buffer {
  return Buffer.concat([
    field(1, path),
    ...headerFields(headers, 2),
    ...(timeoutMillis === undefined ? [] : [varint(3 * 8), varint(timeoutMillis)]),
    ...(message === undefined ? [] : [field(4, message)]),
  ]);
}

export function settingsPayload(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(headerFields(headers, 1));
}

/** The fields of a message, in their order. */
function fieldsOf(bytes: Buffer): { readonly number: number; readonly value: Buffer | number }[] {
  const found: { number: number; value: Buffer | number }[] = [];
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = number();
    const value = number();
    if (tag % 8 === 0) {
      found.push({ number: tag >> 3, value });
    } else {
      found.push({ number: tag >> 3, value: bytes.subarray(at, at + value) });
      at += value;
    }
  }
  return found;
}

const bytesOf = (message: Buffer, number: number): Buffer[] =>
  fieldsOf(message).flatMap((each) => (each.number === number && typeof each.value !== "number" ? [each.value] : []));

const headersOf = (message: Buffer, number: number): [string, string][] =>
  bytesOf(message, number).map((each) => [String(bytesOf(each, 1)[0] ?? ""), String(bytesOf(each, 2)[0] ?? "")]);

export function resultOf(payload: Buffer): RawResult {
  const [status] = bytesOf(payload, 2);
  const code = status === undefined ? 0 : fieldsOf(status).find((each) => each.number === 1)?.value;
  return {
    message: bytesOf(payload, 1)[0],
    code: Number(code),
    text: status === undefined ? "" : String(bytesOf(status, 2)[0] ?? ""),
    details:
      status === undefined
        ? []
        : bytesOf(status, 3).map((each) => ({
            type: String(bytesOf(each, 1)[0]),
            value: bytesOf(each, 2)[0] ?? Buffer.alloc(0),
          })),
    headers: headersOf(payload, 3),
    trailers: headersOf(payload, 4),
  };
}

/** An open socket. It answers nothing and gives no credit by itself. */
export class RawSocket {
  readonly socket: WebSocket;
  readonly frames: RawFrame[] = [];
  /** Bytes of WebSocket messages that have arrived. */
  bytes = 0;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #messages = 0;
  #latest = 0;
  #wake: (() => void)[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
    void this.closed.then(() => this.#notify());
    socket.on("message", (data: Buffer) => {
      this.#messages++;
      this.bytes += data.length;
      for (let at = 0; at < data.length; ) {
        const length = data.readUInt32BE(at + 5);
        const payload = data.subarray(at + 9, at + 9 + length);
        this.frames.push({ kind: data[at] ?? 0, call: data.readUInt32BE(at + 1), payload, message: this.#messages });
        at += 9 + length;
      }
      this.#notify();
    });
  }

  /**
   * @param autoPong false for a client that answers no ping of WebSocket. Default true
   * @param headers of the upgrade
   * @param pair certificate of the client, with its key
   */
  static async open(
    url: string,
    {
      autoPong = true,
      headers = {},
      pair = {},
    }: { autoPong?: boolean; headers?: Record<string, string>; pair?: object } = {},
  ): Promise<RawSocket> {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/streamkit.v1/socket`, ["streamkit.v1"], {
      perMessageDeflate: false,
      rejectUnauthorized: false,
      autoPong,
      ...pair,
      headers,
    });
    const raw = new RawSocket(socket);
    await once(socket, "open");
    return raw;
  }

  /** Sends frames in one WebSocket message. */
  send(...frames: Uint8Array[]): void {
    this.socket.send(Buffer.concat(frames));
  }

  /** Begins a call, and returns its id. */
  request(request: RawRequest): number {
    const id = ++this.#latest;
    this.send(rawFrame(KIND.request, id, requestPayload(request)));
    return id;
  }

  /** The frames of one call. */
  of(call: number, kind?: number): RawFrame[] {
    return this.frames.filter((frame) => frame.call === call && (kind === undefined || frame.kind === kind));
  }

  /** Waits until a condition holds; fails when the socket closes before. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("the socket was closed");
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Waits for the RESULT of a call. */
  async result(call: number): Promise<RawResult> {
    await this.until(() => this.of(call, KIND.result).length > 0);
    return resultOf(this.of(call, KIND.result)[0]?.payload ?? Buffer.alloc(0));
  }

  /** The messages of a call that have arrived in full, in MESSAGE or in FIRST and NEXT. */
  messages(call: number): Buffer[] {
    const found: Buffer[] = [];
    let parts: Buffer[] = [];
    let missing = 0;
    for (const { kind, payload } of this.of(call)) {
      if (kind === KIND.message) found.push(payload);
      if (kind === KIND.first) missing = payload.readUInt32BE(0);
      if (kind !== KIND.first && kind !== KIND.next) continue;
      const part = kind === KIND.first ? payload.subarray(4) : payload;
      parts.push(part);
      missing -= part.length;
      if (missing > 0) continue;
      found.push(Buffer.concat(parts));
      parts = [];
    }
    return found;
  }

  /** A unary call, to its answer. */
  async call(request: RawRequest): Promise<RawResult> {
    return await this.result(this.request(request));
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}
