import type { JsonObject } from "@bufbuild/protobuf";
import { isObject } from "../corpus/json.ts";
import { type Difference, match, show } from "./match.ts";

/** The segment statuses that a subscription has reported so far. */
export class Statuses {
  /** The latest status of each segment. */
  readonly latest = new Map<string, JsonObject>();
  /** The first status that was older than its predecessor of the same segment; undefined if there was none. */
  stale: Difference;

  /** Applies a response in its JSON form. A response without a status has no effect. */
  add({ status }: JsonObject): void {
    if (!isObject(status)) return;
    const segment = String(status.segment);
    const before = this.latest.get(segment);
    if (before !== undefined && isOlder(status, before)) this.stale ??= `${show(status)} came after ${show(before)}`;
    this.latest.set(segment, status);
  }

  /** True if these segments have these latest statuses. */
  has(expected: JsonObject): boolean {
    return this.#difference(expected) === undefined;
  }

  /** Compares the latest statuses with the expected ones. No other segment may have a status. */
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

/** Both bounds of a segment never decrease. */
function isOlder(status: JsonObject, before: JsonObject): boolean {
  const numbers = ["first_sequence", "last_sequence"];
  return numbers.some((name) => BigInt(String(status[name])) < BigInt(String(before[name])));
}
