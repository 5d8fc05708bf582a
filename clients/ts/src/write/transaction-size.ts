import { LIMITS } from "@streamkit/protocol";
import { StreamkitError } from "../errors/error.ts";

/**
 * Counts a growing transaction against the limits of the protocol, so that the client does not send a transaction that
 * every server refuses for its size. Its errors are those of the server.
 */
export class TransactionSize {
  /** Number of records so far. */
  records = 0;
  #segments = 0;
  #segmentRecords = 0;
  #bytes = 0;
  #encodedBytes = 0;

  /** Starts the next segment. */
  addSegment(): void {
    this.#segments += 1;
    this.#segmentRecords = 0;
    check("segments", this.#segments, LIMITS.maxTransactionSegments);
  }

  /** Counts one record of the present segment; `size` as `recordSize` counts. */
  addRecord(segment: string, size: number): void {
    checkRecordSize(segment, size, `appends[${this.#segments - 1}].records[${this.#segmentRecords}]`);
    this.#segmentRecords += 1;
    this.records += 1;
    this.#bytes += size;
    check("records", this.records, LIMITS.maxTransactionRecords);
    check("bytes", this.#bytes, LIMITS.maxTransactionBytes);
  }

  /** Counts the encoding of one segment's records. */
  addEncoding(bytes: number): void {
    this.#encodedBytes += bytes;
    check("encoded bytes", this.#encodedBytes, LIMITS.maxTransactionEncodedBytes);
  }
}

/** Throws RECORD_TOO_LARGE for a record over the limit. */
export function checkRecordSize(segment: string, size: number, field = "record"): void {
  if (size <= LIMITS.maxRecordBytes) return;
  const description = `has ${size} bytes; at most ${LIMITS.maxRecordBytes} are allowed`;
  const message = `${field} of segment "${segment}" ${description}: store the content elsewhere, or split it`;
  const fieldViolations = [{ field, description }];
  throw new StreamkitError("RECORD_TOO_LARGE", "invalid_argument", message, { segment, fieldViolations });
}

function check(what: string, found: number, limit: number): void {
  if (found <= limit) return;
  // The count ends at the first one beyond the limit, so the real number is unknown.
  const description = `more than ${limit} ${what} in one transaction`;
  const fieldViolations = [{ field: "appends", description }];
  throw new StreamkitError("TRANSACTION_TOO_LARGE", "invalid_argument", `${description}: split it`, {
    fieldViolations,
  });
}
