import { LIMITS } from "@streamkit/protocol";
import { type FieldViolation, invalidFields } from "./errors/error.ts";

/** Notes one problem with one field. `description` says what the field must be, and which value it has. */
type Report = (field: string, description: string) => void;

/** Checks one value, and reports each problem with it. */
export type Check = (value: unknown, field: string, report: Report) => void;

/** The fields that an object may have. */
export type Checks = Readonly<Record<string, Check>>;

/** The checks of an options type: exactly one for each of its fields. */
export type ChecksOf<T> = { readonly [K in keyof Required<T>]: Check };

/** Longest time of a timer, in milliseconds: 24.8 days. JavaScript fires a timer for any longer time at once. */
export const LONGEST_TIMER_MILLIS = 2 ** 31 - 1;

/**
 * Checks an options object. Ignores fields that are absent or `undefined`.
 *
 * @param call name of the method that takes the options, for the message
 * @param needed names of the fields that must be there
 * @throws StreamkitError INVALID_FIELD, which names every field with a problem
 */
export function checkOptions(call: string, options: unknown, checks: Checks, needed: readonly string[] = []): void {
  checkArgument(call, "options", options, fields(checks, needed));
}

/**
 * Checks one argument.
 *
 * @throws StreamkitError INVALID_FIELD, which names every field with a problem
 */
export function checkArgument(call: string, field: string, value: unknown, check: Check): void {
  const violations: FieldViolation[] = [];
  check(value, field, (at, description) => void violations.push({ field: at, description }));
  if (violations.length > 0) throw invalidFields(call, violations);
}

/** An object with these fields and no others. It must have the fields in `needed`. */
export function fields(checks: Checks, needed: readonly string[] = []): Check {
  return (value, field, report) => {
    // A signal in place of `{signal}` has no fields of its own, so it would pass the checks without any effect.
    if (!isPlain(value) || isSignal(value)) {
      report(field, `must be an object with fields out of ${Object.keys(checks).join(", ")}; got ${shown(value)}`);
      return;
    }
    const given = value as Record<string, unknown>;
    const prefix = field === "options" ? "" : `${field}.`;
    for (const name of Object.keys(given)) {
      if (given[name] === undefined) continue;
      if (Object.hasOwn(checks, name)) checks[name](given[name], prefix + name, report);
      else report(prefix + name, `is not known; ${suggestion(name, Object.keys(checks))}`);
    }
    for (const name of needed) if (given[name] === undefined) report(prefix + name, "is missing");
  };
}

/** Makes a check of a test; `expected` completes the sentence "must be ...". */
export function is(expected: string, test: (value: unknown) => boolean): Check {
  return (value, field, report) => {
    if (!test(value)) report(field, `must be ${expected}; got ${shown(value)}`);
  };
}

export const text = is("a string", (value) => typeof value === "string");
export const flag = is("true or false", (value) => typeof value === "boolean");
export const callback = is("a function", (value) => typeof value === "function");
export const signal = is("an AbortSignal", isSignal);
/** A sequence, an offset, or a number of entries. */
export const position = is("a whole number from 0 to 2^53 - 1", (value) => isWhole(value, 0n, 2n ** 53n - 1n));
/** A number that only the server compares, so it may exceed 2^53: a fencing token, an expected sequence. */
export const token = is("a whole number from 0 to 2^64 - 1", (value) => isWhole(value, 0n, 2n ** 64n - 1n));
export const time = is(
  "a valid Date, or {micros} with whole microseconds since 1970",
  (value) =>
    (value instanceof Date && !Number.isNaN(value.getTime())) ||
    (typeof value === "object" && value !== null && Number.isSafeInteger((value as { micros?: unknown }).micros)),
);
export const labels = is("an object whose values are strings", isLabels);
export const iterable = is(
  "an iterable, such as an array",
  (value) => isObject(value) && !ArrayBuffer.isView(value) && Symbol.iterator in value,
);
export const source = is(
  "an iterable or an async iterable, such as an array",
  (value) =>
    isObject(value) && !ArrayBuffer.isView(value) && (Symbol.asyncIterator in value || Symbol.iterator in value),
);
export const heartbeat = millis(LIMITS.minHeartbeatMillis, LIMITS.maxHeartbeatMillis);
/** Time to live of a lease, in milliseconds. */
export const ttl = millis(1_000, 86_400_000);

/** An object or a function for a library below, which checks the content itself. */
export const opaque = is("an object or a function", (value) => isObject(value) || typeof value === "function");
export const callbacks = is(
  "an array of functions",
  (value) => Array.isArray(value) && value.every((one) => typeof one === "function"),
);

/** A whole number from `least` to `most`, or Infinity if `infinite` is true. */
export function count(least: number, most: number = Number.MAX_SAFE_INTEGER, infinite = false): Check {
  const range = most === Number.MAX_SAFE_INTEGER ? `, at least ${least}` : ` from ${least} to ${grouped(most)}`;
  return is(
    `a whole number${range}${infinite ? ", or Infinity" : ""}`,
    (value) =>
      (infinite && value === Number.POSITIVE_INFINITY) ||
      (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most),
  );
}

/** A time in milliseconds. If it may be `Infinity`, it may also exceed `LONGEST_TIMER_MILLIS`. */
export function millis(least: number, most: number = LONGEST_TIMER_MILLIS): Check {
  const range = most === Number.POSITIVE_INFINITY ? `, at least ${least}` : `: ${grouped(least)} to ${grouped(most)}`;
  return is(
    `a number of milliseconds${range}`,
    (value) => typeof value === "number" && value >= least && value <= most,
  );
}

/** A position in each of 1 to `most` spaces: a Map, or an object. */
export function positionsBySpace(most: number): Check {
  return (value, field, report) => {
    if (!(value instanceof Map) && !isPlain(value)) {
      report(
        field,
        `must be an object or a Map with a position for each space, such as {orders: 1}; got ${shown(value)}`,
      );
      return;
    }
    const spaces = value instanceof Map ? [...value] : Object.entries(value);
    if (spaces.length < 1 || spaces.length > most) report(field, `must name 1 to ${most} spaces; got ${spaces.length}`);
    for (const [space, at] of spaces) {
      if (typeof space !== "string") report(field, `must have strings as the names of spaces; got ${shown(space)}`);
      else position(at, `${field}["${space}"]`, report);
    }
  };
}

export function oneOf(...values: readonly unknown[]): Check {
  return is(values.map((value) => JSON.stringify(value)).join(" or "), (value) => values.includes(value));
}

/** The options of a call without options of its own. */
export const CALL_OPTIONS = { signal };

/** The options of a list without a prefix. */
export const PAGE_OPTIONS = { pageSize: count(1, LIMITS.maxPageSize), pageToken: text, signal };

/** The options of a list of names. */
export const LIST_OPTIONS = { ...PAGE_OPTIONS, prefix: text };

/** Describes a value in a message: briefly, and without the content of objects. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length > 40 ? "a string" : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  const made: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  const name = typeof made === "string" ? made : "";
  if (name === "" || name === "Object") return "an object";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/** True for metadata: an object of strings. */
export function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  return isPlain(value) && Object.values(value).every((one) => typeof one === "string");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** False for a Map, a Date, a Promise and other objects that keep their content outside of fields. */
function isPlain(value: unknown): value is object {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** Also true for a signal of another realm, or of a library with its own AbortSignal. */
function isSignal(value: unknown): boolean {
  return isObject(value) && "aborted" in value && "addEventListener" in value;
}

function isWhole(value: unknown, least: bigint, most: bigint): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= least && value <= most;
  return typeof value === "bigint" && value >= least && value <= most;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** Suggests the known name closest to a wrong name; otherwise lists all known names. */
function suggestion(name: string, known: readonly string[]): string {
  const nearest = known
    .map((candidate) => ({ candidate, distance: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(name.length / 3))) {
    return `did you mean "${nearest.candidate}"?`;
  }
  return `known: ${known.join(", ")}`;
}

/** Number of letters to insert, remove or replace to turn one word into another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
