import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { invalidArgument } from "./errors/error.ts";
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
 * What `encode` and `decode` throw reaches the caller as it is.
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

/** JSON in UTF-8. The type is taken on trust: validate what others wrote. Throws TypeError for what JSON cannot express. */
export function json<T>(): Codec<T> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return {
    encode(value) {
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError("a value without a JSON form cannot be written");
      return encoder.encode(text);
    },
    decode: (payload) => JSON.parse(decoder.decode(payload)) as T,
  };
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

/** The record of a value. */
export function encodeRecord<In>(codec: Codec<never, In>, input: In | Labeled<In>): RecordInit {
  if (input instanceof Labeled) {
    const record = toRecord(codec.encode(input.value));
    return { payload: record.payload, metadata: { ...record.metadata, ...input.metadata } };
  }
  return toRecord(codec.encode(input));
}

function toRecord(encoded: Uint8Array | RecordInit): RecordInit {
  if (encoded instanceof Uint8Array) return { payload: encoded };
  const payload: unknown = encoded?.payload;
  if (typeof encoded !== "object" || (payload !== undefined && !(payload instanceof Uint8Array))) {
    throw invalidArgument("records", "must be bytes, or objects with a payload of bytes");
  }
  return encoded;
}
