import type { DescField, DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import type { Random } from "./random.ts";

const STORE = "11111111-2222-4333-8444-555555555555";
const DEPTH = 4;

/** Values for fields. */
interface Values {
  readonly texts: readonly string[];
  readonly numbers: readonly JsonValue[];
  readonly bytes: readonly string[];
  readonly times: readonly JsonValue[];
  readonly spans: readonly JsonValue[];
  /** Probability of a value of a kind that the field does not accept. */
  readonly wrong: number;
}

/** Values that most methods accept. */
const SOUND: Values = {
  texts: ["a", "b", "s", "a", "b"],
  numbers: [0, 1, 1, 2, 3],
  bytes: ["AAAA", "", "aGVsbG8="],
  times: ["2026-01-01T00:00:00Z", "2000-01-01T00:00:00Z"],
  spans: ["1s", "15s", "60s"],
  wrong: 0.002,
};

/** Values at limits, beyond limits, and of other kinds. */
const WILD: Values = {
  texts: [
    "",
    "a",
    "s",
    "b".repeat(255),
    "c".repeat(256),
    "\u0000",
    "\u00e9",
    "\ud83d\ude00",
    "\ud800",
    "../x",
    STORE,
    "AAAA",
  ],
  numbers: [0, 1, 2, 100, 1_000, 1_001, -1, "18446744073709551615", "9007199254740993", 2 ** 31, 1.5, "1e3", "x"],
  bytes: ["", "AA==", "AAAA", "A", "____", "!!"],
  times: ["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "x", 5, ""],
  spans: ["1s", "0.1s", "-1s", "315576000000s", "999999999999999s", "x"],
  wrong: 0.03,
};

/**
 * A message as JSON, from its descriptor. Half of the messages are mostly valid, so that they get far; the others are
 * wild.
 */
export function messageJson(random: Random, message: DescMessage): JsonValue {
  return fill(random, message, random.chance(0.5) ? SOUND : WILD, 0);
}

function fill(random: Random, message: DescMessage, values: Values, depth: number): JsonValue {
  if (message.typeName === "google.protobuf.Timestamp") return random.of(values.times);
  if (message.typeName === "google.protobuf.Duration") return random.of(values.spans);
  const result: JsonObject = {};
  for (const field of message.fields) {
    if (field.name === "store_id" && random.chance(0.95)) result.storeId = STORE;
    // Only the caller can end a following stream, and the fuzzer checks answers, so it follows rarely.
    else if (field.name === "follow" && random.chance(0.95)) continue;
    else if (field.name === "wait") result.wait = random.of(["0s", "0.05s", "0.05s", "61s"]);
    else if (random.chance(isNeeded(field) ? 0.97 : 0.5) && depth < DEPTH) {
      result[field.jsonName] = fieldJson(random, field, values, depth + 1);
    }
  }
  if (random.chance(values.wrong)) result.unknown = random.of<JsonValue>([1, "x", null, { a: [] }]);
  return result;
}

/** True for names and lists, which most methods require. */
function isNeeded(field: DescField): boolean {
  return field.scalar === ScalarType.STRING ? !/token|prefix|transaction/.test(field.name) : field.name === "appends";
}

function fieldJson(random: Random, field: DescField, values: Values, depth: number): JsonValue {
  if (random.chance(values.wrong)) return random.of<JsonValue>([null, true, [], {}, "x", 1, [[]], { "": null }]);
  if (field.fieldKind === "list") {
    const length = random.of(values === SOUND ? [1, 1, 2] : [0, 1, 1, 2, 3, 33]);
    return Array.from({ length }, () => singleJson(random, field, values, depth));
  }
  if (field.fieldKind === "map") {
    const length = random.of([0, 1, 2]);
    const entries = Array.from({ length }, () => [random.of(values.texts), singleJson(random, field, values, depth)]);
    return Object.fromEntries(entries) as JsonObject;
  }
  return singleJson(random, field, values, depth);
}

function singleJson(random: Random, field: DescField, values: Values, depth: number): JsonValue {
  if (field.message !== undefined) return fill(random, field.message, values, depth);
  if (field.enum !== undefined) return random.of<JsonValue>([0, 1, 99, "X"]);
  switch (field.scalar) {
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.STRING:
      return random.of(values.texts);
    case ScalarType.BYTES:
      return random.of(values.bytes);
    default:
      return random.of(values.numbers);
  }
}
