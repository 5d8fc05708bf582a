import { type Codec, Labeled } from "../codec.ts";
import { type FieldViolation, invalidFields, StreamkitError } from "../errors/error.ts";
import { isLabels, shown } from "../options.ts";
import type { EncodedRecord, RecordInit } from "../wire/record.ts";

const CODEC_HINT = "to write values, give the handle a codec: client.store(id).withCodec(json())";

/**
 * Makes the record of a value. Refuses everything but bytes and exact records, so that it drops no part of a value.
 *
 * @param path names the place of the value, for example `records[3]`; called only for an error
 * @throws StreamkitError INVALID_FIELD if the codec's result is no record; CODEC_FAILED if the codec throws, with the
 *   codec's error as its `cause`
 */
export function toRecord<In>(codec: Codec<never, In>, input: In | Labeled<In>, path: () => string): EncodedRecord {
  const labeled = input instanceof Labeled;
  let encoded: Uint8Array | RecordInit;
  try {
    encoded = codec.encode(labeled ? input.value : input);
  } catch (cause) {
    if (cause instanceof StreamkitError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StreamkitError("CODEC_FAILED", "invalid_argument", `${path()}: the codec cannot encode it: ${reason}`, {
      cause,
    });
  }
  if (isBytes(encoded)) return labeled ? labeledRecord(encoded, undefined, input.metadata, path) : { payload: encoded };
  checkRecord(encoded, path);
  const { payload, metadata } = encoded;
  return labeled ? labeledRecord(payload, metadata, input.metadata, path) : { payload, metadata };
}

function labeledRecord(
  payload: Uint8Array,
  own: RecordInit["metadata"],
  given: RecordInit["metadata"],
  path: () => string,
): EncodedRecord {
  if (!isLabels(given)) throw refused(metadataViolations(given, `${path()}.metadata`));
  return { payload, metadata: own === undefined ? given : { ...own, ...given } };
}

/** Throws unless the value is exactly a payload of bytes, with or without labels. */
function checkRecord(record: unknown, path: () => string): asserts record is RecordInit {
  if (typeof record !== "object" || record === null || Array.isArray(record)) {
    const description = `must be bytes (a Uint8Array), or {payload, metadata}; got ${kindOf(record)}; ${CODEC_HINT}`;
    throw refused([{ field: path(), description }]);
  }
  const { payload, metadata } = record as Partial<RecordInit>;
  let unknown = false;
  for (const key in record) unknown ||= key !== "payload" && key !== "metadata";
  if (!unknown && isBytes(payload) && (metadata === undefined || isLabels(metadata))) return;
  throw refused([...recordViolations(record, path())]);
}

function* recordViolations(record: object, path: string): Generator<FieldViolation> {
  const { payload, metadata } = record as Partial<RecordInit>;
  const unknown = Object.keys(record).filter((key) => key !== "payload" && key !== "metadata");
  if (unknown.length > 0) {
    const names = unknown.slice(0, 5).map((key) => JSON.stringify(key));
    const more = unknown.length > 5 ? ` and ${unknown.length - 5} more` : "";
    const description = `has fields that a record without a codec has not: ${names.join(", ")}${more}; ${CODEC_HINT}`;
    yield { field: path, description };
  } else if (payload === undefined) {
    const kind = shown(record) === "an object" ? "" : `is ${shown(record)} and `;
    const description = `${kind}has no payload; an empty one is {payload: new Uint8Array(0)}; ${CODEC_HINT}`;
    yield { field: path, description };
  }
  if (payload !== undefined && !isBytes(payload)) {
    const description = `must be bytes (a Uint8Array); got ${kindOf(payload)}; ${CODEC_HINT}`;
    yield { field: `${path}.payload`, description };
  }
  if (metadata !== undefined) yield* metadataViolations(metadata, `${path}.metadata`);
}

function metadataViolations(metadata: unknown, path: string): FieldViolation[] {
  if (isLabels(metadata)) return [];
  if (Object.prototype.toString.call(metadata) !== "[object Object]") {
    return [{ field: path, description: `must be an object whose values are strings; got ${kindOf(metadata)}` }];
  }
  return Object.entries(metadata as object)
    .filter(([, value]) => typeof value !== "string")
    .map(([key, value]) => ({ field: `${path}["${key}"]`, description: `must be a string; got ${kindOf(value)}` }));
}

function refused(violations: readonly FieldViolation[]): StreamkitError {
  return invalidFields("not written", violations);
}

/** Also true for bytes of another realm, such as a test environment with a global scope of its own. */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/** Describes the kind of a value without its content, which may be secret. */
function kindOf(value: unknown): string {
  const isShort = value === null || typeof value === "undefined" || typeof value === "object";
  return isShort ? shown(value) : `a ${typeof value}`;
}
