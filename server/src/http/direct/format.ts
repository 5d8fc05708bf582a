import { type Message, toJsonString } from "@bufbuild/protobuf";
import { toConnectError } from "../../routes/connect-error.ts";
import type { UnaryForm } from "../../routes/implementations.ts";

/** The encoding of the messages of a call; the name of a form of `Implementation`, and of a format of `readMessage`. */
export type Format = "binary" | "json";

const encoder = new TextEncoder();

/**
 * Encodes an answer as Connect's handlers do.
 *
 * @throws ConnectError INTERNAL if the answer has no JSON form
 */
export function encodeAnswer(format: Format, form: UnaryForm, answer: Message): Uint8Array {
  if (format === "binary") return form.encode(answer);
  try {
    return encoder.encode(toJsonString(form.method.output, answer));
  } catch (error) {
    throw toConnectError(error);
  }
}
