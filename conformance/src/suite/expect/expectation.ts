import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Expectation, ExpectationSchema } from "@streamkit/protocol/conformance";
import { at, isObject } from "../corpus/json.ts";
import { expandRepeats } from "../corpus/request.ts";
import type { Scope } from "../corpus/scope.ts";
import { matchEntries } from "./entries.ts";
import { type Difference, match, show } from "./match.ts";
import type { Observed, ObservedError } from "./observed.ts";

/** Returns the expectation with its placeholders replaced. */
export function resolveExpectation(expectation: Expectation | undefined, scope: Scope): Expectation {
  if (expectation === undefined) return fromJson(ExpectationSchema, {});
  return fromJson(ExpectationSchema, expandRepeats(scope.resolve(toJson(ExpectationSchema, expectation))));
}

/** Compares one observation with one expectation. */
export function matchExpectation(expected: Expectation, observed: Observed): Difference {
  return (
    matchCode(expected, observed.error) ??
    matchDetail(expected, observed.error) ??
    (expected.ended === undefined || expected.ended === observed.ended
      ? undefined
      : `the call ${observed.ended ? "has ended" : "goes on"}, which was not expected`) ??
    matchJson(expected.response && toJson(ValueSchema, expected.response), observed.response, "response") ??
    matchSize(expected.maxResponseBytes, observed) ??
    matchJson(expected.responses && toJson(ValueSchema, expected.responses), observed.responses, "responses") ??
    matchBatches(observed) ??
    (expected.entries === undefined ? undefined : matchEntries(expected.entries, observed)) ??
    (expected.latest === undefined ? undefined : observed.statuses.match(expected.latest)) ??
    observed.roster.broken ??
    (expected.workers === undefined ? undefined : observed.roster.match(toJson(ValueSchema, expected.workers)))
  );
}

/** Holds for every response of every case. */
function matchBatches({ emptyBatches }: Observed): Difference {
  return emptyBatches === 0 ? undefined : `batches: ${emptyBatches} of them have no records (SEG-015)`;
}

/**
 * Compares the results of several equal calls: the number of successes, and the values that must be the same or
 * different.
 */
export function matchRepeated(expected: Expectation, all: readonly Observed[]): Difference {
  const successes = all.filter((each) => each.error === undefined);
  const wanted = expected.succeeded ?? (expectsFailure(expected) ? 0 : all.length);
  if (successes.length !== wanted) {
    const codes = all.map((each) => each.error?.code ?? "OK");
    return `expected ${wanted} of ${all.length} calls to succeed, found ${successes.length}: ${show(codes)}`;
  }
  for (const path of expected.same) {
    const values = new Set(successes.map((each) => show(at(each.response, path))));
    if (values.size > 1) return `${path}: expected the same in all responses, found ${[...values].join(", ")}`;
  }
  const rest = wanted === all.length ? successes : all.filter((each) => each.error !== undefined);
  for (const each of rest) {
    const difference = matchExpectation(expected, each);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function expectsFailure(expected: Expectation): boolean {
  return !["", "OK"].includes(expected.code) || (expected.codeAnyOf.length > 0 && !expected.codeAnyOf.includes("OK"));
}

function matchCode(expected: Expectation, error: ObservedError | undefined): Difference {
  const found = error?.code ?? "OK";
  const allowed = expected.codeAnyOf.length > 0 ? expected.codeAnyOf : [expected.code || "OK"];
  if (allowed.includes(found)) return undefined;
  const more = error === undefined ? "" : ` ${error.reason}: ${error.message}`;
  return `code: expected ${allowed.join(" or ")}, found ${found}${more}`;
}

function matchDetail(expected: Expectation, error: ObservedError | undefined): Difference {
  if (error === undefined) return undefined;
  if (expected.reason !== "") {
    if (error.reason !== expected.reason) return `reason: expected ${expected.reason}, found ${error.reason || "none"}`;
    // ERR-001: a server that gives a reason gives exactly one.
    if (error.details !== 1) return `details: expected exactly one, found ${error.details}`;
  }
  const violations = at(error.detail, "field_violations");
  const fields = (Array.isArray(violations) ? violations : []).map((each) => (isObject(each) ? each.field : undefined));
  for (const field of expected.fields) {
    if (!fields.includes(field)) return `field_violations: expected ${field}, found ${show(fields)}`;
  }
  return expected.detail === undefined ? undefined : match(expected.detail, error.detail, "detail");
}

function matchSize(most: number, { largestResponse }: Observed): Difference {
  if (most === 0 || largestResponse <= most) return undefined;
  return `response: expected at most ${most} bytes, found ${largestResponse}`;
}

function matchJson(expected: JsonValue | undefined, found: unknown, path: string): Difference {
  return expected === undefined ? undefined : match(expected, found, path);
}
