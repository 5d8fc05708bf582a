import type { JsonValue } from "@bufbuild/protobuf";
import { isObject } from "../corpus/json.ts";

/** A difference between an expectation and an observation; undefined if they agree. */
export type Difference = string | undefined;

/**
 * Compares by the rules of `Expectation` in case.proto: objects by the given members, lists element by element, strings
 * that begin with `$` as tests.
 *
 * @param path position in the observation, for the message
 */
export function match(expected: JsonValue, found: unknown, path: string): Difference {
  if (typeof expected === "string" && expected.startsWith("$")) return testValue(expected, found, path);
  if (Array.isArray(expected)) return matchList(expected, found, path);
  if (isObject(expected)) {
    if (!isObject(found)) return `${path}: expected an object, found ${show(found)}`;
    for (const [name, value] of Object.entries(expected)) {
      const difference = match(value, found[name], path === "" ? name : `${path}.${name}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (expected === null) return isNothing(found) ? undefined : `${path}: expected nothing, found ${show(found)}`;
  return sameScalar(expected, found) ? undefined : `${path}: expected ${show(expected)}, found ${show(found)}`;
}

function matchList(expected: readonly JsonValue[], found: unknown, path: string): Difference {
  if (!Array.isArray(found)) return `${path}: expected a list, found ${show(found)}`;
  if (found.length !== expected.length) {
    return `${path}: expected ${expected.length} elements, found ${found.length}: ${show(found)}`;
  }
  for (const [index, value] of expected.entries()) {
    const difference = match(value, found[index], `${path}.${index}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function sameScalar(expected: string | number | boolean, found: unknown): boolean {
  if (expected === found) return true;
  if (isObject(found) && typeof found.payload === "string") {
    return Buffer.from(found.payload, "base64").toString() === String(expected);
  }
  return (typeof found === "string" || typeof found === "number") && String(expected) === String(found);
}

function isNothing(found: unknown): boolean {
  if (found === undefined || found === null || found === "" || found === 0 || found === "0" || found === false)
    return true;
  return Array.isArray(found) && found.length === 0;
}

type Test = (found: unknown, argument: string) => boolean;

const TESTS: Readonly<Record<string, Test>> = {
  any: (found) => !isNothing(found),
  none: isNothing,
  uuid: (found) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(found)),
  micros: (found) => nanosOf(found) !== undefined && nanosOf(found)! % 1_000n === 0n,
  gt: (found, argument) => compare(found, argument, (a, b) => a > b),
  ge: (found, argument) => compare(found, argument, (a, b) => a >= b),
  lt: (found, argument) => compare(found, argument, (a, b) => a < b),
  le: (found, argument) => compare(found, argument, (a, b) => a <= b),
  not: (found, argument) => String(found) !== argument,
  oneof: (found, argument) => argument.split(",").includes(String(found)),
  after: (found, argument) => (nanosOf(found) ?? 0n) > (nanosOf(argument) ?? 0n),
  len: (found, argument) => Array.isArray(found) && found.length === Number(argument),
  has: (found, argument) => Array.isArray(found) && found.some((each) => each === argument),
  sorted: (found) => isSorted(found),
};

/**
 * Applies one `$` test.
 *
 * @throws Error if there is no such test
 */
function testValue(expected: string, found: unknown, path: string): Difference {
  const colon = expected.indexOf(":");
  const name = expected.slice(1, colon === -1 ? undefined : colon);
  const test = TESTS[name];
  if (test === undefined) throw new Error(`there is no test ${expected}`);
  const argument = colon === -1 ? "" : expected.slice(colon + 1);
  return test(found, argument) ? undefined : `${path}: expected ${expected}, found ${show(found)}`;
}

/** Compares two numbers, or two durations in their JSON form. False for any other values. */
function compare(found: unknown, argument: string, holds: (found: bigint, argument: bigint) => boolean): boolean {
  const measure = argument.endsWith("s") ? nanosOfSpan : wholeNumber;
  const [left, right] = [measure(String(found)), measure(argument)];
  return left !== undefined && right !== undefined && holds(left, right);
}

function wholeNumber(text: string): bigint | undefined {
  return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

function nanosOfSpan(text: string): bigint | undefined {
  const [, seconds, fraction = ""] = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(text) ?? [];
  return seconds === undefined ? undefined : BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

function isSorted(found: unknown): boolean {
  if (!Array.isArray(found)) return false;
  return found.every(
    (each, i) => i === 0 || Buffer.compare(Buffer.from(String(found[i - 1])), Buffer.from(String(each))) <= 0,
  );
}

/** Nanoseconds of a timestamp in its JSON form. */
function nanosOf(found: unknown): bigint | undefined {
  const [, seconds, fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(String(found)) ?? [];
  if (seconds === undefined) return undefined;
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Formats a value for a message, and shortens a long one. */
export function show(value: unknown): string {
  const text = typeof value === "string" ? `"${value}"` : (JSON.stringify(value) ?? "nothing");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
