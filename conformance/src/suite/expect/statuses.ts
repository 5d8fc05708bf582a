import type { JsonObject } from "@bufbuild/protobuf";
import { isObject } from "../corpus/json.ts";
import { type Difference, match, show } from "./match.ts";

/** What a status subscription has told of segments so far. */
export class Statuses {
  /** The latest status of each segment. */
  readonly latest = new Map<string, JsonObject>();
  /** Says so when a status was older than one of the same segment before it. */
  stale: Difference;

  /** Takes note of a response, in its JSON form; one that is no status changes nothing. */
  add({ status }: JsonObject): void {
    if (!isObject(status)) return;
    const segment = String(status.segment);
    const before = this.latest.get(segment);
    if (before !== undefined && isOlder(status, before)) this.stale ??= `${show(status)} came after ${show(before)}`;
    this.latest.set(segment, status);
  }

  /** Whether these segments have these latest statuses. */
  has(expected: JsonObject): boolean {
    return this.#difference(expected) === undefined;
  }

  /** Whether these segments have these latest statuses, and no other segment has one. */
  match(expected: JsonObject): Difference {
    if (this.stale !== undefined) return `latest: ${this.stale}`;
    const [wanted, found] = [names(Object.keys(expected)), names(this.latest.keys())];
    if (wanted !== found) return `latest: expected statuses of ${show(wanted)}, found those of ${show(found)}`;
    return this.#difference(expected);
  }

  #difference(expected: JsonObject): Difference {
    for (const [segment, status] of Object.entries(expected)) {
      const difference = match(status, this.latest.get(segment), `latest.${segment}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
}

function names(segments: Iterable<string>): string {
  return [...segments].sort().join(", ") || "none";
}

/** Both bounds of a segment only ever grow. */
function isOlder(status: JsonObject, before: JsonObject): boolean {
  const numbers = ["first_sequence", "last_sequence"];
  return numbers.some((name) => BigInt(String(status[name])) < BigInt(String(before[name])));
}
