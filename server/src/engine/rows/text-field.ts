import { WIRE_LENGTH, writeVarint } from "@streamkit/protocol/wire";

const encoder = new TextEncoder();

/** Length of a text in UTF-8. Most names are ASCII, and short. */
export function utf8Length(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text);
  return text.length;
}

/** Writes a field with a text of so many bytes in UTF-8; returns the position behind it. */
export function writeText(target: Uint8Array, at: number, field: number, text: string, byteLength: number): number {
  target[at++] = (field << 3) | WIRE_LENGTH;
  at = writeVarint(target, at, byteLength);
  if (byteLength === text.length) {
    for (let i = 0; i < byteLength; i++) target[at + i] = text.charCodeAt(i);
  } else {
    encoder.encodeInto(text, target.subarray(at));
  }
  return at + byteLength;
}
