import type { DescMessage } from "@bufbuild/protobuf";
import { WireFormatError, WireReader } from "@streamkit/protocol/wire";
import { ElementCounts, type ElementLimit, elementLimit, MAX_BINARY_FIELDS } from "./element-limits.ts";
import { unreadable } from "./refusal.ts";

const limitsOf = new WeakMap<DescMessage, ReadonlyMap<number, ElementLimit>>();

/**
 * Counts the elements of an encoded message before any objects are created. The scan reads the fields at the top of the
 * message only. The size of the message bounds the number of deeper elements; the records of an append are counted when
 * they are parsed.
 *
 * @throws ConnectError INVALID_FIELD if the bytes are not protobuf or have too many fields; otherwise with the reason
 * of the exceeded limit
 */
export function scanBinary(message: DescMessage, bytes: Uint8Array): void {
  const limits = limitsFor(message);
  const counts = new ElementCounts();
  const reader = new WireReader(bytes);
  try {
    for (let fields = 0; reader.more; ) {
      if (++fields > MAX_BINARY_FIELDS) throw unreadable(`the message has more than ${MAX_BINARY_FIELDS} fields`);
      const limit = limits.get(reader.tag());
      if (limit !== undefined) counts.add(limit);
      reader.skip();
    }
  } catch (error) {
    throw error instanceof WireFormatError ? unreadable(`the message is not valid protobuf: ${error.message}`) : error;
  }
}

function limitsFor(message: DescMessage): ReadonlyMap<number, ElementLimit> {
  let limits = limitsOf.get(message);
  if (limits === undefined) {
    const found = new Map<number, ElementLimit>();
    for (const field of message.fields) {
      const limit = elementLimit(field);
      if (limit !== undefined) found.set(field.number, limit);
    }
    limits = found;
    limitsOf.set(message, limits);
  }
  return limits;
}
