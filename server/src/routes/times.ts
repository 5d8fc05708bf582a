import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TimestampSchema } from "@bufbuild/protobuf/wkt";

/**
 * Returns a protobuf timestamp.
 *
 * @param micros microseconds since 1970
 */
export function timestampFromMicros(micros: number): MessageInitShape<typeof TimestampSchema> {
  const seconds = Math.floor(micros / 1_000_000);
  return { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1_000 };
}

/** Returns a timestamp like `timestampFromMicros`; undefined for 0, which means "never". */
export function timestampOrAbsent(micros: number): MessageInitShape<typeof TimestampSchema> | undefined {
  return micros === 0 ? undefined : timestampFromMicros(micros);
}
