import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Until } from "@streamkit/protocol/conformance";
import { expandRepeats } from "../corpus/request.ts";
import type { Scope } from "../corpus/scope.ts";
import { match } from "../expect/match.ts";
import { batchesOf, isHeartbeat, responseJson } from "../expect/observed.ts";
import type { LiveCall } from "./live-call.ts";

/** True if an await may stop: its condition holds, or the call has ended. */
export function isReached(until: Until | undefined, call: LiveCall, scope: Scope): boolean {
  // The end of a call always ends the await; the expectation decides whether that is right.
  if (until === undefined || until.end || call.ended) return call.ended;
  const fresh = call.responses.slice(call.seen);
  const last = fresh.at(-1);
  if (entryCount(call) < until.entries || call.responses.length < until.responses) return false;
  if (until.caughtUp && !(last?.value && "caughtUp" in last.value && last.value.caughtUp)) return false;
  if (until.heartbeat && (call.responses.length < 2 || last === undefined || !isHeartbeat(last))) return false;
  const resolve = (json: JsonObject): JsonObject => expandRepeats(scope.resolve(json)) as JsonObject;
  if (until.latest !== undefined && !call.statuses.has(resolve(until.latest))) return false;
  const { roster } = call;
  // If the responses break a rule, stop waiting: the expectation reports the rule.
  if (roster.broken === undefined) {
    if (until.snapshot && !roster.complete) return false;
    if (until.workers !== undefined) {
      const workers = expandRepeats(scope.resolve(toJson(ValueSchema, until.workers)));
      if (!roster.has(workers)) return false;
    }
  }
  if (until.response === undefined) return true;
  const wanted = resolve(until.response);
  return fresh.some((response) => match(wanted, responseJson(response), "response") === undefined);
}

/** Returns the number of entries received so far. */
export function entryCount(call: LiveCall): number {
  return call.responses.reduce(
    (sum, each) => sum + batchesOf(each).reduce((n, batch) => n + batch.records.length, 0),
    0,
  );
}
