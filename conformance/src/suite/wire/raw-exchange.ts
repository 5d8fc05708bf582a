import { fromBinary, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import type { HttpAnswer, RawExchange } from "@streamkit/protocol/conformance";
import { at, isObject } from "../corpus/json.ts";
import { completeRequest } from "../corpus/request.ts";
import { findRpc } from "../corpus/rpc.ts";
import type { Scope } from "../corpus/scope.ts";
import { type Difference, match, show } from "../expect/match.ts";
import { bodyJson, exchange, httpRequest, type RawAnswer } from "./raw-http.ts";

/** Sends the bytes of a raw step and reads the answer. */
export async function performRaw(
  raw: RawExchange,
  scope: Scope,
  server: { url: string; token: string },
  millis: number,
): Promise<RawAnswer> {
  if (raw.method === "") return exchange(server.url, hexBytes(raw.hex), millis);
  const rpc = raw.path.startsWith("/") ? undefined : findRpc(raw.path);
  const path = rpc === undefined ? scope.text(raw.path) : `/${rpc.parent.typeName}/${rpc.name}`;
  const headers: Record<string, string> = { ...raw.headers };
  if (server.token !== "") headers.authorization ??= `Bearer ${server.token}`;
  return exchange(
    server.url,
    httpRequest(raw.method, path, new URL(server.url).host, headers, body(raw, scope)),
    millis,
  );
}

function body(raw: RawExchange, scope: Scope): Uint8Array {
  if (raw.json !== undefined) return Buffer.from(JSON.stringify(scope.resolve(raw.json)));
  const text = Buffer.from(scope.text(raw.body));
  if (raw.message === undefined) return raw.hex === "" ? text : hexBytes(scope.text(raw.hex));
  const rpc = findRpc(raw.path);
  const defaults = { store: String(scope.get("store")), space: String(scope.get("space")) };
  const json = completeRequest(rpc.input, scope.resolve(raw.message) as JsonObject, defaults);
  return Buffer.concat([toBinary(rpc.input, fromJson(rpc.input, json)), hexBytes(raw.appendHex)]);
}

function hexBytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
}

/** Compares the answer on a raw socket with the expected one. */
export function matchAnswer(expected: HttpAnswer, answer: RawAnswer): Difference {
  const json = bodyJson(answer);
  return (
    (expected.status === "" ? undefined : match(expected.status, answer.status, "status")) ??
    (expected.json === undefined ? undefined : match(expected.json, json, "body")) ??
    (expected.reason === "" ? undefined : matchReason(expected.reason, json)) ??
    (expected.closed && !answer.closed ? "the server keeps the connection open" : undefined)
  );
}

function matchReason(expected: string, json: unknown): Difference {
  const details = at(json, "details");
  const reasons = (Array.isArray(details) ? details : []).flatMap((detail) => {
    if (!isObject(detail) || detail.type !== ErrorDetailSchema.typeName) return [];
    const bytes: Any["value"] = Buffer.from(String(detail.value), "base64");
    return [ErrorReason[fromBinary(ErrorDetailSchema, bytes).reason]];
  });
  return reasons.length === 1 && reasons[0] === expected
    ? undefined
    : `reason: expected ${expected}, found ${show(reasons)} in ${show(json)}`;
}
