import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import {
  encodeFrame,
  type FrameKind,
  FrameKind as Kinds,
  RequestSchema,
  SettingsSchema,
} from "@streamkit/protocol/transport";
import { isObject } from "../corpus/json.ts";
import type { Exchange } from "./exchange.ts";
import type { FrameSocket } from "./frame-socket.ts";
import { objects, pathOf, requestMessage } from "./payloads.ts";

/**
 * Returns the bytes of frames that a case writes down. Each element is one of:
 * - `{bytes: "03 00000001"}`: bytes in hexadecimal, whether they are a frame or not
 * - `{kind: MESSAGE, call: 1, hex: "01"}`: a frame. `kind` is a name or a number, `call` 0 if absent
 * - the same with `number: 7` (four bytes, before `hex`), `request: {...}` (as in `writtenRequest`) or
 *   `settings: {...}` (the JSON form of Settings) as its payload
 *
 * `times` repeats an element.
 */
export function writtenFrames(socket: FrameSocket, exchange: Exchange, list: unknown): Uint8Array {
  return Buffer.concat(objects(list).flatMap((each) => repeated(each, writtenFrame(socket, exchange, each))));
}

function repeated({ times }: JsonObject, bytes: Uint8Array): Uint8Array[] {
  return new Array<Uint8Array>(Number(times ?? 1)).fill(bytes);
}

function writtenFrame(socket: FrameSocket, exchange: Exchange, each: JsonObject): Uint8Array {
  if (each.bytes !== undefined) return hexBytes(each.bytes);
  const kind = typeof each.kind === "string" ? Kinds[each.kind as keyof typeof Kinds] : Number(each.kind);
  if (kind === undefined) throw new Error(`there is no frame kind ${String(each.kind)}`);
  const call = Number(each.call ?? 0);
  if (isObject(each.request)) {
    if (call > socket.latest) socket.began(call);
    return encodeFrame(Kinds.REQUEST, call, writtenRequest(exchange, each.request));
  }
  const payload: Uint8Array[] = [];
  if (isObject(each.settings)) payload.push(toBinary(SettingsSchema, fromJson(SettingsSchema, each.settings)));
  if (each.number !== undefined) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(Number(each.number));
    payload.push(bytes);
  }
  if (each.hex !== undefined) payload.push(hexBytes(each.hex));
  return encodeFrame(kind as FrameKind, call, Buffer.concat(payload));
}

/**
 * Returns the payload of REQUEST: `path` is the name of an RPC or a path, `message` the JSON form of its request as in
 * other steps, `message_hex` its bytes; other members are those of Request.
 */
export function writtenRequest(exchange: Exchange, json: JsonObject): Uint8Array {
  const { path, message, message_hex: hex, ...rest } = json;
  const request = fromJson(RequestSchema, { path: pathOf(String(path)), ...rest });
  if (isObject(message)) request.message = requestMessage(String(path), message, exchange);
  if (hex !== undefined) request.message = hexBytes(hex);
  return toBinary(RequestSchema, request);
}

function hexBytes(hex: unknown): Uint8Array {
  return Buffer.from(String(hex).replaceAll(/\s/g, ""), "hex");
}
