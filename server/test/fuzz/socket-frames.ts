import { fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { field, KIND, rawFrame, requestPayload, settingsPayload, uint32 } from "../socket/raw-socket.ts";
import { METHODS } from "./calls.ts";
import { messageJson } from "./messages.ts";
import { mutate, type Random } from "./random.ts";

const KINDS = Object.values(KIND);

/** WebSocket messages of one socket: frames that are mostly valid, in an order that is mostly possible. */
export function socketMessages(random: Random): Buffer[] {
  const calls = { latest: 0 };
  return Array.from({ length: 1 + random.below(8) }, () => {
    const frames = Array.from({ length: 1 + random.below(8) }, () => frame(random, calls));
    const message = Buffer.concat(frames.flat());
    return random.chance(0.1) ? mutate(random, message) : message;
  });
}

function frame(random: Random, calls: { latest: number }): Buffer[] {
  const id = calls.latest === 0 || random.chance(0.02) ? random.below(5) : 1 + random.below(calls.latest);
  switch (random.below(12)) {
    case 0:
      return [rawFrame(KIND.settings, 0, settingsPayload(headers(random)))];
    case 1:
      return [rawFrame(KIND.message, id, message(random))];
    case 2:
      return parts(random, id);
    case 3:
      return [rawFrame(KIND.halfClose, id)];
    case 4:
      return [rawFrame(KIND.reset, id, random.chance(0.5) ? Buffer.alloc(0) : field(1, "enough"))];
    case 5:
      return [rawFrame(KIND.credit, random.chance(0.5) ? 0 : id, uint32(random.of([1, 1_000, 65_536, 1_048_576])))];
    case 6:
      return [rawFrame(random.of([KIND.ping, KIND.pong]), 0, random.bytes(random.below(126)))];
    case 7:
      return random.chance(0.1) ? [rawFrame(random.of(KINDS), random.below(4), random.bytes(random.below(40)))] : [];
    default:
      return request(random, calls);
  }
}

function request(random: Random, calls: { latest: number }): Buffer[] {
  const method = random.of(METHODS);
  const path = random.chance(0.95) ? `/${method.parent.typeName}/${method.name}` : random.of(["", "/", "/x.Y/Z"]);
  calls.latest += random.chance(0.9) ? 1 : 1 + random.below(1_000);
  const timeout = random.chance(0.2) ? { timeoutMillis: random.of([0, 1, 50, 2 ** 40]) } : {};
  const inside = random.chance(method.methodKind === "unary" ? 0.8 : 0.5)
    ? { message: bytesOf(random, method.input) }
    : {};
  const payload = requestPayload({ path, headers: headers(random), ...timeout, ...inside });
  return [rawFrame(KIND.request, calls.latest, payload)];
}

function bytesOf(random: Random, input: (typeof METHODS)[number]["input"]): Buffer {
  const json: JsonValue = messageJson(random, input);
  try {
    const bytes = Buffer.from(toBinary(input, fromJson(input, json, { ignoreUnknownFields: true })));
    return random.chance(0.1) ? mutate(random, bytes) : bytes;
  } catch {
    return random.bytes(random.below(60));
  }
}

function message(random: Random): Buffer {
  return bytesOf(random, random.of(METHODS).input);
}

function parts(random: Random, id: number): Buffer[] {
  const whole = message(random);
  if (whole.length < 2) return [rawFrame(KIND.message, id, whole)];
  const cut = 1 + random.below(whole.length - 1);
  const total = random.chance(0.95) ? whole.length : random.of([0, 1, 200_000, 0xffffffff]);
  const first = rawFrame(KIND.first, id, Buffer.concat([uint32(total), whole.subarray(0, cut)]));
  return random.chance(0.1) ? [first] : [first, rawFrame(KIND.next, id, whole.subarray(cut))];
}

function headers(random: Random): [string, string][] {
  return Array.from({ length: random.chance(0.2) ? random.below(4) : 0 }, () => [
    random.of(["authorization", "x-a", "x-a", "content-type", "", "X", "te", "grpc-timeout"]),
    random.of(["a", "", "\u0000", "\u00e9", "\ud83d\ude00", "x".repeat(6_000)]),
  ]);
}
