import { fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { toRequestError } from "../connect-error.ts";
import type { Implementation } from "../implementations.ts";
import { maxRequestBytes } from "../request-limits.ts";
import { scanBinary } from "./binary-scan.ts";
import { scanJson } from "./json-scan.ts";
import { tooLarge } from "./refusal.ts";

/** The parser drops unknown fields, because kept ones cost many times their bytes. */
export const READING = { binaryOptions: { readUnknownFields: false } };

/**
 * Reads the message of a request for the ways in that have all its bytes. Size, counts and text are checked before any
 * objects are created, as in `withRequestReader` for Connect's handlers, and the errors are the same.
 *
 * @param bytes one message, decompressed
 * @returns a message in the form of the format, `implementation.binary` or `implementation.json`
 * @throws ConnectError REQUEST_TOO_LARGE, INVALID_FIELD or TRANSACTION_TOO_LARGE, with one ErrorDetail
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
