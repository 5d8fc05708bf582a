import { hash } from "node:crypto";

// Transactions have ids of two forms inside of the server: a UUID in lower case, and such a UUID followed by the mark
// of its writer, as 16 hexadecimal digits. The marks keep principals apart that use the same UUID: to the engine, these
// are different transactions.

/** Length of a UUID as text. */
export const UUID_LENGTH = 36;
/** Bytes of the mark of a writer. */
export const WRITER_BYTES = 8;

/**
 * Returns the id of a transaction of a principal. The mark depends on the UUID too, so that marks of different
 * transactions do not show that they have the same writer.
 *
 * @param subject name of the principal
 */
export function markedId(uuid: string, subject: string): string {
  return uuid + hash("sha256", `${uuid}\n${subject}`, "hex").slice(0, 2 * WRITER_BYTES);
}

/** Returns the UUID of an id. */
export function uuidOf(id: string): string {
  return id.length <= UUID_LENGTH ? id : id.slice(0, UUID_LENGTH);
}

/** Returns an id as its parts in a stored transaction. Every append of a principal calls it. */
export function partsOf(id: string): { readonly uuid: string; readonly writer: Uint8Array | undefined } {
  if (id.length <= UUID_LENGTH) return { uuid: id, writer: undefined };
  // For so few bytes, a call of native code takes longer than the digits do.
  const writer = new Uint8Array((id.length - UUID_LENGTH) >> 1);
  for (let at = 0, index = UUID_LENGTH; at < writer.length; at++, index += 2) {
    writer[at] = (hexDigit(id.charCodeAt(index)) << 4) | hexDigit(id.charCodeAt(index + 1));
  }
  return { uuid: uuidOf(id), writer };
}

/** Returns the id of a stored transaction. `writer` is empty for a transaction without a mark. */
export function idOf(uuid: string, writer: Uint8Array): string {
  return writer.length === 0 ? uuid : uuid + Buffer.from(writer).toString("hex");
}

/** Returns the value of a hexadecimal digit in lower case. */
export function hexDigit(code: number): number {
  return code < 0x60 ? code - 0x30 : code - 0x57;
}
