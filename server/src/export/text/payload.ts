import { isUtf8 } from "node:buffer";

/** The field of a line that has the payload of an entry. */
export type Payload =
  | { readonly json: unknown }
  | { readonly text: string }
  /** Base64 of the bytes. */
  | { readonly base64: string };

/** How payloads are written. "auto" takes the first of JSON, text and Base64 that fits. */
export type PayloadForm = "auto" | "json" | "text" | "base64";

/**
 * Turns a payload into a value for JSON. Bytes that do not fit the form become Base64. JSON keeps its meaning and not
 * its bytes: spaces and the digits of very large numbers may change.
 */
export function payloadOf(bytes: Uint8Array, form: PayloadForm): Payload {
  if (form !== "base64" && isUtf8(bytes)) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    if (form === "text") return { text };
    const json = parse(text);
    if (json !== undefined) return json;
    if (form === "auto") return { text };
  }
  return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64") };
}

function parse(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
