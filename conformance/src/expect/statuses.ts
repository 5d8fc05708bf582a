import type { JsonObject } from "@bufbuild/protobuf";
import { isObject } from "../corpus/json.ts";
import { type Difference, match, show } from "./match.ts";

/** What a status subscription has told of segments so far. */
export interface Statuses {
  /** The latest status of each segment. */
  readonly latest: ReadonlyMap<string, JsonObject>;
  /** Says so when a status was older than one of the same segment before it. */
  readonly stale: Difference;
}

/** Sorts the responses of a status subscription, in their JSON form, by segment. */
export function collectStatuses(responses: readonly JsonObject[]): Statuses {
  const latest = new Map<string, JsonObject>();
  let stale: Difference;
  for (const { status } of responses) {
    if (!isObject(status)) continue;
    const segment = String(status.segment);
    const before = latest.get(segment);
    if (before !== undefined && isOlder(status, before)) stale ??= `${show(status)} came after ${show(before)}`;
    latest.set(segment, status);
  }
  return { latest, stale };
}

/** Whether the latest statuses are those expected: of these segments, and of no others. */
export function matchStatuses(expected: JsonObject, { latest, stale }: Statuses): Difference {
  if (stale !== undefined) return `latest: ${stale}`;
  const names = (segments: Iterable<string>): string => [...segments].sort().join(", ") || "none";
  const [wanted, found] = [names(Object.keys(expected)), names(latest.keys())];
  if (wanted !== found) return `latest: expected statuses of ${wanted}, found those of ${found}`;
  return differenceOf(expected, latest);
}

/** Whether the segments named have these latest statuses. */
export function haveStatuses(expected: JsonObject, { latest }: Statuses): boolean {
  return differenceOf(expected, latest) === undefined;
}

function differenceOf(expected: JsonObject, latest: Statuses["latest"]): Difference {
  for (const [segment, status] of Object.entries(expected)) {
    const difference = match(status, latest.get(segment), `latest.${segment}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** Both bounds of a segment only ever grow. */
function isOlder(status: JsonObject, before: JsonObject): boolean {
  return ["first_sequence", "last_sequence"].some(
    (name) => BigInt(String(status[name])) < BigInt(String(before[name])),
  );
}
