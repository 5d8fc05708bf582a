import { fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { toRequestError } from "../connect-error.ts";
import type { Implementation } from "../implementations.ts";
import { maxRequestBytes } from "../request-limits.ts";
import { scanBinary } from "./binary-scan.ts";
import { scanJson } from "./json-scan.ts";
import { tooLarge } from "./refusal.ts";

/** What no field of a request knows is dropped while it is read: kept fields cost many times their bytes. */
export const READING = { binaryOptions: { readUnknownFields: false } };

/**
 * The message of a request, for ways in that have its bytes at hand: size, counts and text are checked before objects
 * are made, as `withRequestReader` does for Connect's handlers, and failures are the same.
 *
 * @param bytes one message, decompressed
 * @returns a message of the form that the format has: `binary` or `json`
 * @throws ConnectError REQUEST_TOO_LARGE, INVALID_FIELD, TRANSACTION_TOO_LARGE, with one ErrorDetail
 */
export function readMessage(implementation: Implementation, bytes: Uint8Array, format: "binary" | "json"): Message {
  const { path, method } = implementation;
  const limit = maxRequestBytes(path);
  if (bytes.length > limit) throw tooLarge(limit, bytes.length);
  const form = implementation[format];
  if (format === "json") {
    scanJson(method.input, bytes);
    try {
      return fromJsonString(form.method.input, new TextDecoder().decode(bytes), { ignoreUnknownFields: true });
    } catch (error) {
      throw toRequestError(ConnectError.from(error, Code.InvalidArgument));
    }
  }
  scanBinary(method.input, bytes);
  try {
    return fromBinary(form.method.input, bytes, READING.binaryOptions);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw toRequestError(new ConnectError(`parse binary: ${text}`, Code.InvalidArgument));
  }
}
