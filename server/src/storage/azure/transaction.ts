/**
 * Entity group transactions on the wire: a multipart body of single operations, and its answer.
 *
 * The SDK's own transactions (data-tables 13.3.2) send deletes unconditionally, encode a Uint8Array that is a view as
 * its whole buffer, and report the size of the body too late. So this file makes the body, and the SDK's pipeline signs
 * and sends it.
 */
import { randomUUID } from "node:crypto";
import { defect } from "../../errors.ts";
import type { Properties } from "./entity.ts";
import { MAX_TRANSACTION_BYTES, MAX_TRANSACTION_OPERATIONS } from "./limits.ts";

/** One operation. With `etag`, it requires the entity to have that ETag. */
export type Operation =
  /** Fails with 409 if the entity exists. */
  | { readonly kind: "insert"; readonly rowKey: string; readonly properties: Properties }
  /** Replaces the whole entity. With an ETag, it fails with 404 or 412. */
  | { readonly kind: "replace"; readonly rowKey: string; readonly properties: Properties; readonly etag?: string }
  /** Changes the given properties. Fails with 404 or 412. */
  | { readonly kind: "merge"; readonly rowKey: string; readonly properties: Properties; readonly etag: string }
  /** Fails with 404 or, with an ETag, 412. */
  | { readonly kind: "delete"; readonly rowKey: string; readonly etag?: string };

export interface TransactionRequest {
  readonly body: string;
  readonly contentType: string;
}

/** The outcome of a transaction. */
export type TransactionResponse =
  /** Azure applied all operations. `etags` holds the new ETag of each operation; `undefined` for deletes. */
  | { readonly done: true; readonly etags: readonly (string | undefined)[] }
  /** One operation failed, so Azure applied none. `index` is missing if the server does not report it. */
  | { readonly done: false; readonly status: number; readonly code: string; readonly index?: number };

const CRLF = "\r\n";

/**
 * The request for some operations on one partition.
 *
 * @param tableUrl URL of the table, without a query
 * @throws INTERNAL, before anything is sent, for requests that Azure would refuse although the emulator would not
 */
export function encodeTransaction(
  tableUrl: string,
  partitionKey: string,
  operations: readonly Operation[],
): TransactionRequest {
  if (operations.length > MAX_TRANSACTION_OPERATIONS) {
    throw defect(`a transaction of ${operations.length} operations; Azure accepts ${MAX_TRANSACTION_OPERATIONS}`);
  }
  const batch = `batch_${randomUUID()}`;
  const changeset = `changeset_${randomUUID()}`;
  const lines = [`--${batch}`, `Content-Type: multipart/mixed; boundary=${changeset}`, ""];
  for (const operation of operations) {
    lines.push(`--${changeset}`, "Content-Type: application/http", "Content-Transfer-Encoding: binary", "");
    lines.push(...encodeOperation(tableUrl, partitionKey, operation));
  }
  lines.push(`--${changeset}--`, `--${batch}--`, "");
  const body = lines.join(CRLF);
  const bytes = Buffer.byteLength(body);
  if (bytes > MAX_TRANSACTION_BYTES)
    throw defect(`a transaction of ${bytes} bytes; Azure accepts ${MAX_TRANSACTION_BYTES}`);
  return { body, contentType: `multipart/mixed; boundary=${batch}` };
}

function encodeOperation(tableUrl: string, partitionKey: string, operation: Operation): string[] {
  const { kind, rowKey } = operation;
  const entityUrl = `${tableUrl}(PartitionKey='${encodeURIComponent(partitionKey)}',RowKey='${encodeURIComponent(rowKey)}')`;
  if (kind === "delete") {
    return [
      `DELETE ${entityUrl} HTTP/1.1`,
      "Accept: application/json;odata=minimalmetadata",
      "DataServiceVersion: 3.0",
      `If-Match: ${operation.etag ?? "*"}`,
      "",
      "",
    ];
  }
  const method = kind === "insert" ? "POST" : kind === "merge" ? "MERGE" : "PUT";
  return [
    `${method} ${kind === "insert" ? tableUrl : entityUrl} HTTP/1.1`,
    "Content-Type: application/json;odata=nometadata",
    "Accept: application/json;odata=minimalmetadata",
    "DataServiceVersion: 3.0",
    ...(kind === "insert" ? ["Prefer: return-no-content"] : []),
    ...(kind !== "insert" && operation.etag !== undefined ? [`If-Match: ${operation.etag}`] : []),
    "",
    encodeEntity(partitionKey, rowKey, operation.properties),
  ];
}

function encodeEntity(partitionKey: string, rowKey: string, properties: Properties): string {
  const entity: Record<string, string | boolean> = { PartitionKey: partitionKey, RowKey: rowKey };
  for (const [name, value] of Object.entries(properties)) {
    if (value instanceof Uint8Array) {
      entity[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
      entity[`${name}@odata.type`] = "Edm.Binary";
    } else {
      entity[name] = value;
    }
  }
  return JSON.stringify(entity);
}

/**
 * Decodes the answer to a transaction that the server accepted.
 *
 * @returns `undefined` if the answer is unreadable: the outcome is unknown
 */
export function decodeTransaction(body: string, operations: number): TransactionResponse | undefined {
  const parts = body.split(/^HTTP\/1\.1 (?=\d{3})/m).slice(1);
  const statuses = parts.map((part) => Number(part.slice(0, 3)));
  const failed = statuses.findIndex((status) => status >= 300);
  if (failed >= 0) return { done: false, status: statuses[failed], ...failureOf(parts[failed]) };
  if (parts.length !== operations) return undefined;
  return { done: true, etags: parts.map((part) => /^ETag: (.*?)\r?$/im.exec(part)?.[1]) };
}

/** Azure's messages begin with the index of the failed operation. */
function failureOf(part: string): { code: string; index?: number } {
  const code = /"code"\s*:\s*"([^"]*)"/.exec(part)?.[1] ?? "";
  const index = /"value"\s*:\s*"(\d+):/.exec(part)?.[1];
  return index === undefined ? { code } : { code, index: Number(index) };
}
