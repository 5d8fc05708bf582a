import { gunzip as gunzipWithCallback } from "node:zlib";
import type { ConnectError } from "@connectrpc/connect";
import { tooLarge, unreadable } from "./refusal.ts";

/** The only compression that requests may use. */
export const GZIP = "gzip";

/**
 * Decompresses a message. Decompression stops after `limit` bytes, regardless of the size that the message claims.
 *
 * @throws ConnectError REQUEST_TOO_LARGE if the message is larger than `limit`; INVALID_FIELD if the bytes are not gzip
 */
export async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  if (bytes.length === 0) return bytes;
  return new Promise((resolve, reject) => {
    gunzipWithCallback(bytes, { maxOutputLength: limit }, (error, result) => {
      if (error === null) resolve(result);
      else reject(failure(error, limit));
    });
  });
}

function failure(error: NodeJS.ErrnoException, limit: number): ConnectError {
  if (error.code === "ERR_BUFFER_TOO_LARGE") return tooLarge(limit);
  return unreadable(`the message cannot be decompressed: ${error.message}`);
}
