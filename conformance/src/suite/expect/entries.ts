import type { Entries } from "@streamkit/protocol/conformance";
import { at } from "../corpus/json.ts";
import { type Difference, match, show } from "./match.ts";
import type { Observed, ObservedEntry } from "./observed.ts";

/** Compares received entries with the expected ones. */
export function matchEntries(expected: Entries, observed: Observed): Difference {
  const { entries } = observed;
  return (
    (expected.none && entries.length > 0 ? `entries: expected none, found ${entries.length}` : undefined) ??
    list(
      "payloads",
      expected.payloads,
      entries.map((entry) => entry.payload),
    ) ??
    list(
      "segments",
      expected.segments,
      entries.map((entry) => entry.segment),
    ) ??
    list(
      "spaces",
      expected.spaces,
      entries.map((entry) => entry.space),
    ) ??
    list(
      "transactions",
      expected.transactions,
      entries.map((entry) => entry.transaction),
    ) ??
    positions(
      "sequences",
      expected.sequences,
      entries.map((entry) => entry.sequence),
    ) ??
    positions(
      "offsets",
      expected.offsets,
      entries.map((entry) => entry.offset),
    ) ??
    (expected.count === "" ? undefined : match(expected.count, entries.length, "entries")) ??
    (expected.orderedTimes ? times(entries) : undefined) ??
    eachBatch(expected, observed)
  );
}

function list(what: string, expected: readonly string[], found: readonly string[]): Difference {
  if (expected.length === 0 || same(expected, found)) return undefined;
  return `${what}: expected ${show(expected)}, found ${show(found)}`;
}

function positions(what: string, expected: string | undefined, found: readonly bigint[]): Difference {
  if (expected === undefined) return undefined;
  const wanted = parseRanges(expected);
  return same(wanted, found)
    ? undefined
    : `${what}: expected ${expected || "none"}, found ${formatRanges(found) || "none"}`;
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

function times(entries: readonly ObservedEntry[]): Difference {
  let before: ObservedEntry | undefined;
  const latest = new Map<string, ObservedEntry>();
  for (const entry of entries) {
    const where = `${entry.time} at offset ${entry.offset} of ${entry.space}`;
    if (before !== undefined && comparable(before.time) > comparable(entry.time))
      return `times: ${where} comes after ${before.time}`;
    const own = latest.get(entry.space);
    if (own !== undefined) {
      const isSame = own.transaction === entry.transaction;
      const isSameTime = comparable(own.time) === comparable(entry.time);
      if (isSame && !isSameTime) return `times: ${where} differs from ${own.time} in the same transaction`;
      if (!isSame && isSameTime) return `times: ${where} is the time of the transaction before`;
    }
    latest.set(entry.space, entry);
    before = entry;
  }
  return undefined;
}

function comparable(time: string): bigint {
  return BigInt(time.replace(".", "") || "0");
}

function eachBatch(expected: Entries, observed: Observed): Difference {
  if (expected.eachBatch === undefined) return undefined;
  for (const [r, response] of observed.responses.entries()) {
    const batches = at(response, "batches");
    for (const [b, batch] of (Array.isArray(batches) ? batches : []).entries()) {
      const difference = match(expected.eachBatch, batch, `responses.${r}.batches.${b}`);
      if (difference !== undefined) return difference;
    }
  }
  return undefined;
}

/** Parses "1-3,5" into numbers. */
export function parseRanges(text: string): bigint[] {
  if (text === "") return [];
  return text.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map((each) => BigInt(each.trim()));
    return Array.from({ length: Number(last! - first!) + 1 }, (_, index) => first! + BigInt(index));
  });
}

/** Formats numbers as "1-3,5". */
export function formatRanges(numbers: readonly bigint[]): string {
  const parts: [bigint, bigint][] = [];
  for (const each of numbers) {
    const current = parts.at(-1);
    if (current !== undefined && current[1] + 1n === each) current[1] = each;
    else parts.push([each, each]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
