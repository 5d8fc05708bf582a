import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { is, shown } from "./options.ts";
import type { RecordInit } from "./wire/record.ts";

/** What a codec may look at beside the payload. */
export interface DecodeContext {
  readonly segment: string;
  readonly sequence: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Turns values into records and back. `Out` is what reads give as `entry.value`, `In` what writes take.
 *
 * What `encode` or `decode` throws reaches the caller as the `cause` of a StreamkitError CODEC_FAILED, which says
 * where.
 */
export interface Codec<Out, In = Out> {
  encode(value: In): Uint8Array | RecordInit;
  decode(payload: Uint8Array, entry: DecodeContext): Out;
}

/** What a handle without a codec writes: bytes, or bytes with labels. */
export type BytesInput = Uint8Array | RecordInit;

/** The default codec: bytes as they are. */
export const bytes: Codec<Uint8Array, BytesInput> = {
  encode: (value) => value,
  decode: (payload) => payload,
};

/**
 * JSON in UTF-8. The type is taken on trust: validate what others wrote. A value that JSON cannot express is refused:
 * `undefined`, a bigint, a Map, bytes, NaN. Inside of a value, JSON.stringify decides: it drops `undefined` and makes
 * `{}` of a Map.
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

/** True when nothing of a value is left: `{}` of a Map, a Set or a Promise, `null` of NaN. */
function isLoss(value: unknown, text: string): boolean {
  if (text === "null") return value !== null;
  if (text !== "{}" || typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  return Object.prototype.toString.call(value) !== "[object Object]";
}

/** A protobuf message in the binary format. Writes take initialisers, reads give messages. */
export function protobuf<S extends DescMessage>(schema: S): Codec<MessageShape<S>, MessageInitShape<S>> {
  return {
    encode: (value) => toBinary(schema, create(schema, value)),
    decode: (payload) => fromBinary(schema, payload),
  };
}

/** A value with labels; made by `withMetadata`. */
export class Labeled<In> {
  readonly value: In;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(value: In, metadata: Readonly<Record<string, string>>) {
    this.value = value;
    this.metadata = metadata;
  }
}

/** A value of any codec with labels, for `publish`, `append` and `produce`. */
export function withMetadata<In>(value: In, metadata: Readonly<Record<string, string>>): Labeled<In> {
  return new Labeled(value, metadata);
}

/** Tells a codec from other things, such as the function `json` that was not called. */
export const codecs = is(
  "a codec, such as json(): an object with the functions encode and decode",
  (value) =>
    typeof (value as Partial<Codec<unknown>> | null)?.encode === "function" &&
    typeof (value as Partial<Codec<unknown>> | null)?.decode === "function",
);
