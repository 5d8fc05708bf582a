import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject } from "./json.ts";

/**
 * Converts the request of a case into the JSON form of the message. Adds the default store, space, segment, key, name
 * and group, and expands the shorthands described at the head of case.proto. The caller has already replaced the
 * placeholders.
 */
export function completeRequest(
  input: DescMessage,
  short: JsonObject,
  defaults: { store: string; space: string },
): JsonObject {
  const request = expandRepeats(short) as JsonObject;
  const has = (name: string): boolean => input.fields.some((field) => field.name === name);
  if (has("appends")) {
    moveIntoAppends(request);
    request.appends = (request.appends as JsonValue[]).map((each) =>
      isObject(each) && each.records !== undefined ? { ...each, records: expandRecords(each.records) } : each,
    );
  }
  const { store, space } = defaults;
  const standing = {
    store_id: store,
    space,
    ...(has("segment_prefix") ? {} : { segment: "seg" }),
    key: space,
    name: space,
    group: space,
  };
  for (const [name, value] of Object.entries(standing)) {
    if (has(name) && !Object.hasOwn(request, name)) request[name] = value;
  }
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null));
}

function moveIntoAppends(request: JsonObject): void {
  if (Object.hasOwn(request, "appends")) return;
  const append: JsonObject = { segment: "seg" };
  for (const name of ["segment", "expected_last_sequence", "fencing_token", "records"]) {
    if (Object.hasOwn(request, name)) append[name] = request[name];
    delete request[name];
  }
  request.appends = [append];
}

/** Expands a list of records: a string becomes a payload, `{count, bytes}` becomes several records. */
function expandRecords(records: JsonValue): JsonValue {
  if (!Array.isArray(records)) return records;
  return records.flatMap((record): JsonValue[] => {
    if (typeof record === "string") return [{ payload: base64(Buffer.from(record)) }];
    if (!isObject(record) || record.count === undefined) return [record];
    const payload = base64(Buffer.alloc(Number(record.bytes ?? 0), 120));
    const extra = Number(record.metadata_bytes ?? 0);
    if (record.labels !== undefined) return [{ payload, metadata: labels(Number(record.labels)) }];
    const one: JsonObject = extra === 0 ? { payload } : { payload, metadata: { k: "x".repeat(extra - 1) } };
    return new Array<JsonValue>(Number(record.count)).fill(one);
  });
}

/** Expands the shorthands for long strings and large maps. */
export function expandRepeats(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(expandRepeats);
  if (!isObject(value)) return value;
  if (typeof value.repeat === "string" && value.times !== undefined) {
    return `${value.before ?? ""}${value.repeat.repeat(Number(value.times))}${value.after ?? ""}`;
  }
  if (typeof value.numbered === "string") {
    return Object.fromEntries(numbers(value.times).map((n) => [`${value.numbered}${n}`, value.each ?? 0]));
  }
  if (typeof value.numbered_segments === "string") {
    const each = numbers(value.times).map((n) => ({
      ...(value.append as JsonObject),
      segment: `${value.numbered_segments}${n}`,
    }));
    return value.first === undefined ? each : [value.first, ...each];
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expandRepeats(item)]));
}

/** Returns `count` labels with keys of seven bytes and empty values. */
function labels(count: number): JsonObject {
  return Object.fromEntries(numbers(count).map((n) => [`k${String(n).padStart(6, "0")}`, ""]));
}

function numbers(times: JsonValue | undefined): number[] {
  return Array.from({ length: Number(times) }, (_, index) => index + 1);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
