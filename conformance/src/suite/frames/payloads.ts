import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { AppendRequestSchema, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import type { Result } from "@streamkit/protocol/transport";
import { isObject } from "../corpus/json.ts";
import { completeRequest } from "../corpus/request.ts";
import { findRpc } from "../corpus/rpc.ts";
import { check, type Exchange } from "./exchange.ts";
import type { FrameSocket } from "./frame-socket.ts";

/** Returns the path of an RPC from its name; a path stays. */
export function pathOf(name: string): string {
  if (name === "" || name.startsWith("/")) return name;
  const rpc = findRpc(name);
  return `/${rpc.parent.typeName}/${rpc.name}`;
}

/** Returns the message of a request in the JSON form of cases. */
export function requestMessage(name: string, json: JsonObject, { store, space }: Exchange): Uint8Array {
  const { input } = findRpc(name);
  return toBinary(input, fromJson(input, completeRequest(input, json, { store, space })));
}

/** Returns the message of an append of one record with so many bytes. */
export function appendMessage({ store, space }: Exchange, segment: string, bytes: number): Uint8Array {
  const appends = [{ segment, records: [{ payload: new Uint8Array(bytes) }] }];
  return encoded(AppendRequestSchema, { storeId: store, space, appends });
}

export function encoded<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, init));
}

/** Returns the reason of a failure; "OK" for a success. */
function reasonOf({ status }: Result): string {
  if (status === undefined || status.code === 0) return "OK";
  const [detail] = status.details;
  if (status.details.length !== 1 || detail?.type !== ErrorDetailSchema.typeName) return `code ${status.code}`;
  return ErrorReason[fromBinary(ErrorDetailSchema, detail.value).reason];
}

/** Waits for the RESULT of a call and compares its reason. */
export async function checkReason(socket: FrameSocket, call: number, expected: string): Promise<void> {
  const result = await socket.result(call);
  const reason = reasonOf(result);
  check(reason === expected, `call ${call}: expected ${expected}, found ${reason} (${result.status?.message ?? ""})`);
}

/** Makes a short call, which must succeed: the socket still serves. */
export async function checkServes(socket: FrameSocket): Promise<void> {
  await checkReason(socket, socket.request({ path: pathOf("GetServerInfo"), message: new Uint8Array() }), "OK");
}

/** Reads a list of objects from the parameters of an exchange. */
export function objects(value: unknown): JsonObject[] {
  return (Array.isArray(value) ? value : []).filter(isObject);
}
