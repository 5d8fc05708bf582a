import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { is, shown } from "./options.ts";
import type { RecordInit } from "./wire/record.ts";

/** The facts of an entry that a codec may use beside the payload. */
export interface DecodeContext {
  readonly segment: string;
  readonly sequence: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Turns values into records and back. `In` is the type of values that writes take, `Out` the type of `entry.value`.
 *
 * If `encode` or `decode` throws, the caller gets a StreamkitError CODEC_FAILED, which names the record or entry and
 * has the codec's error as its `cause`.
 */
export interface Codec<Out, In = Out> {
  encode(value: In): Uint8Array | RecordInit;
  decode(payload: Uint8Array, entry: DecodeContext): Out;
}

/** The input of a handle without a codec: bytes, or bytes with labels. */
export type BytesInput = Uint8Array | RecordInit;

/** The default codec, which leaves bytes as they are. */
export const bytes: Codec<Uint8Array, BytesInput> = {
  encode: (value) => value,
  decode: (payload) => payload,
};

/**
 * JSON in UTF-8. The codec does not check that entries have the type `T`: validate entries of other writers. Encoding
 * throws for a value that JSON cannot express: `undefined`, a bigint, a Map, bytes, NaN. Inside of a value,
 * JSON.stringify decides; it drops `undefined` and turns a Map into `{}`.
 */
export function json<T>(): Codec<T> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return {
    encode(value) {
      const text = ArrayBuffer.isView(value) ? undefined : JSON.stringify(value);
      if (text === undefined || (text.length <= 4 && isLoss(value, text))) {
        throw new TypeError(`${shown(value)} has no JSON form`);
      }
      return encoder.encode(text);
    },
    decode: (payload) => JSON.parse(decoder.decode(payload)) as T,
  };
}

/** True if JSON loses the whole value: `{}` for a Map, a Set or a Promise, `null` for NaN. */
function isLoss(value: unknown, text: string): boolean {
  if (text === "null") return value !== null;
  if (text !== "{}" || typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  return Object.prototype.toString.call(value) !== "[object Object]";
}

/** Protobuf messages in the binary format. Writes take initialisers, reads give messages. */
export function protobuf<S extends DescMessage>(schema: S): Codec<MessageShape<S>, MessageInitShape<S>> {
  return {
    encode: (value) => toBinary(schema, create(schema, value)),
    decode: (payload) => fromBinary(schema, payload),
  };
}

/** A value with labels. Make it with `withMetadata`. */
export class Labeled<In> {
  readonly value: In;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(value: In, metadata: Readonly<Record<string, string>>) {
    this.value = value;
    this.metadata = metadata;
  }
}

/** Adds labels to a value, for `publish`, `append` and `produce` with any codec. */
export function withMetadata<In>(value: In, metadata: Readonly<Record<string, string>>): Labeled<In> {
  return new Labeled(value, metadata);
}

/** The check of a codec argument. It catches mistakes such as `json` in place of `json()`. */
export const codecs = is(
  "a codec, such as json(): an object with the functions encode and decode",
  (value) =>
    typeof (value as Partial<Codec<unknown>> | null)?.encode === "function" &&
    typeof (value as Partial<Codec<unknown>> | null)?.decode === "function",
);
