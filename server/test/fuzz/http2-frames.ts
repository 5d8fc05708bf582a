import type { Random } from "./random.ts";
import { mutate } from "./random.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const WINDOW_UPDATE = 8;
const FRAME_TYPES = 11;
const END_STREAM = 1;
const END_HEADERS = 4;

/** A frame: length, type, flags, stream (RFC 9113, section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

/** Header fields as literals without indexing (RFC 7541, section 6.2.2). */
function literals(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) =>
    Buffer.concat([Buffer.of(Math.min(126, value.length)), Buffer.from(value.slice(0, 126), "latin1")]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function request(random: Random, stream: number, path: string): Buffer {
  const fields: [string, string][] = [
    [":method", random.chance(0.9) ? "POST" : random.of(["GET", "CONNECT", "", "post"])],
    [":path", path],
    [":scheme", "http"],
    [":authority", random.chance(0.8) ? "localhost" : random.of(["[", "", "a b", "x:99999"])],
    [
      "content-type",
      random.of([
        "application/json",
        "application/proto",
        "application/grpc",
        "application/connect+proto",
        "application/grpc-web+json",
      ]),
    ],
  ];
  if (random.chance(0.2))
    fields.push([
      random.of(["te", "X", "connection", ":x", "", "grpc-timeout", "connect-timeout-ms"]),
      random.of(["trailers", "", "1H", "-1", "99999999999999"]),
    ]);
  if (random.chance(0.1)) fields.splice(random.below(fields.length), 1);
  const end = random.chance(0.3) ? END_STREAM : 0;
  return frame(HEADERS, end | (random.chance(0.95) ? END_HEADERS : 0), stream, mutateRarely(random, literals(fields)));
}

function mutateRarely(random: Random, bytes: Buffer): Buffer {
  return random.chance(0.2) ? mutate(random, bytes) : bytes;
}

/** The bytes of an HTTP/2 connection: a mostly valid start, then requests, misplaced frames, and garbage. */
export function http2Connection(random: Random, paths: readonly string[]): Buffer {
  const parts = [random.chance(0.95) ? PREFACE : mutate(random, PREFACE), frame(SETTINGS, 0, 0, Buffer.alloc(0))];
  let stream = 1;
  for (let left = 1 + random.below(12); left > 0; left--) {
    switch (random.below(4)) {
      case 0:
        parts.push(request(random, stream, random.of(paths)));
        break;
      case 1:
        parts.push(frame(DATA, random.below(2), stream, random.bytes(random.below(40))));
        break;
      case 2:
        stream += random.of([0, 1, 2, 2, 2, 1_000]);
        parts.push(request(random, stream, random.of(paths)), frame(DATA, END_STREAM, stream, Buffer.from("{}")));
        break;
      default: {
        const target = random.of([0, 0, stream, stream + 2, 2 ** 31 - 1]);
        const type = random.chance(0.3) ? WINDOW_UPDATE : random.below(FRAME_TYPES + 2);
        parts.push(frame(type, random.below(256), target, random.bytes(random.of([0, 1, 4, 5, 6, 8, 12, 36, 100]))));
      }
    }
  }
  return Buffer.concat(parts);
}
