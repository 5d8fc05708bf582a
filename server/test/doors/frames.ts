/** An HTTP/2 client for frames that no library sends. It answers nothing by itself, not even pings. */
import type { Socket } from "node:net";
import { open } from "./raw.ts";

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** A frame of HTTP/2. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Four bytes: an error code, or the increment of a window. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A block of headers in HPACK, without Huffman codes. `index` adds each header to the table of the server. */
export function headerBlock(headers: Readonly<Record<string, string>>, index = false): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([index ? 0x40 : 0]),
    text(name),
    text(value),
  ]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** The headers of a call of `path` with a body in JSON. */
export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "127.0.0.1",
    "content-type": "application/json",
    ...more,
  };
}

/** An HTTP/2 connection that has sent its preface. */
export interface FrameConnection {
  readonly socket: Socket;
  /** Number of received frames of a type. */
  count(type: number): number;
  /** Codes of the last RST_STREAM and GOAWAY. */
  readonly codes: { reset?: number; goaway?: number };
  /** Writes bytes. Resolves when the kernel has taken them, or the connection is closed. */
  write(bytes: Uint8Array): Promise<void>;
  /** Waits for a frame of a type, or for the end of the connection. */
  next(type: number): Promise<void>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
}

export async function openFrames(url: string): Promise<FrameConnection> {
  const socket = await open(url);
  const counts = new Map<number, number>();
  const codes: { reset?: number; goaway?: number } = {};
  let pending: Buffer = Buffer.alloc(0);
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
      const length = pending.readUIntBE(0, 3);
      const type = pending[3] ?? 0;
      counts.set(type, (counts.get(type) ?? 0) + 1);
      if (type === FRAME.reset) codes.reset = pending.readUInt32BE(9);
      if (type === FRAME.goaway) codes.goaway = pending.readUInt32BE(13);
      pending = pending.subarray(9 + length);
      socket.emit("frame", type);
    }
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const connection: FrameConnection = {
    socket,
    codes,
    closed,
    count: (type) => counts.get(type) ?? 0,
    write(bytes) {
      if (socket.destroyed) return Promise.resolve();
      return Promise.race([new Promise<void>((resolve) => socket.write(bytes, () => resolve())), closed]);
    },
    next(type) {
      const seen = new Promise<void>((resolve) => {
        socket.on("frame", (got: number) => {
          if (got === type) resolve();
        });
      });
      return Promise.race([seen, closed]);
    },
  };
  const settings = connection.next(FRAME.settings);
  await connection.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  await settings;
  await connection.write(frame(FRAME.settings, FLAG.ack, 0));
  return connection;
}
