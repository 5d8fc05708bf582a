import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** True for `{...}`; false for lists, null and plain values. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns a copy of `value` with every string replaced by `change`. */
export function mapStrings(value: JsonValue, change: (text: string) => JsonValue): JsonValue {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const name = change(key);
      return [typeof name === "string" ? name : key, mapStrings(item, change)];
    }),
  );
}

/**
 * Returns the value at a dotted path ("ranges.0.last_sequence"); undefined if there is none. Negative indexes count
 * from the end.
 */
export function at(value: unknown, path: string): unknown {
  let current: unknown = value;
  for (const part of path.split(".")) {
    if (Array.isArray(current)) current = current.at(Number(part));
    else if (isObject(current)) current = current[part];
    else return undefined;
  }
  return current;
}
