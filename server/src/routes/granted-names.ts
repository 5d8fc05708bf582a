import type { NameLimit } from "../access/grant.ts";
import type { Listed } from "../engine/names.ts";
import type { Storage } from "../storage/port.ts";

export interface GrantedNames<Item> {
  /** The names that the caller may see. Limits may overlap. */
  readonly limits: readonly NameLimit[];
  /** Prefix of the names that the request asks for. */
  readonly prefix: string;
  /** Name after which the page begins; "" for the first page. */
  readonly after: string;
  /** Lists names with a prefix, after `after`, reading so many rows at once. */
  readonly list: (prefix: string, atOnce: number) => AsyncIterable<Listed<Item>>;
  readonly atOnce: number;
}

/**
 * Lists the names that limits select, in byte order. Gives no other name away: a page token holds the last name that
 * a page reached, so the list passes over no foreign name.
 */
export async function* grantedNames<Item>(names: GrantedNames<Item>): AsyncGenerator<Listed<Item>, void, undefined> {
  const { after, list, atOnce } = names;
  for (const limit of disjoint(names.limits, names.prefix)) {
    if ("prefix" in limit) {
      const isOver = compare(after, limit.prefix) > 0 && !after.startsWith(limit.prefix);
      if (!isOver) yield* list(limit.prefix, atOnce);
      continue;
    }
    const name = limit.exact;
    if (compare(name, after) <= 0) continue;
    let item: Item | undefined;
    for await (const listed of list(name, 1)) {
      if (listed.name === name) item = listed.item;
      break;
    }
    yield { name, item };
  }
}

/** Limits within a prefix, in byte order, without those that another one covers. */
function disjoint(limits: readonly NameLimit[], prefix: string): readonly NameLimit[] {
  const within: { readonly name: string; readonly limit: NameLimit }[] = [];
  for (const limit of limits) {
    const name = "exact" in limit ? limit.exact : limit.prefix;
    if (name.startsWith(prefix)) within.push({ name, limit });
    else if ("prefix" in limit && prefix.startsWith(name)) within.push({ name: prefix, limit: { prefix } });
  }
  // A prefix comes before the same name as a whole, and so before all that the prefix covers.
  within.sort((a, b) => compare(a.name, b.name) || Number("exact" in a.limit) - Number("exact" in b.limit));
  const result: NameLimit[] = [];
  let last: { readonly name: string; readonly limit: NameLimit } | undefined;
  for (const next of within) {
    const covered = last && ("prefix" in last.limit ? next.name.startsWith(last.name) : next.name === last.name);
    if (covered) continue;
    last = next;
    result.push(next.limit);
  }
  return result;
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Stores that one call of `Storage.list` asks for. */
const STORES_AT_ONCE = 1_000;

/**
 * Lists the stores among `granted` that exist. An entry without an item stands for a store that does not.
 *
 * @param granted ids in lower case and in order
 * @param after id after which the page begins; "" for the first page
 */
export async function* grantedStores(
  storage: Storage,
  granted: readonly string[],
  after: string,
): AsyncGenerator<Listed<{ storeId: string }>, void, undefined> {
  const left = granted.filter((id) => id > after);
  for (let at = 0; at < left.length; ) {
    const found = await storage.list({ after: before(left[at]), limit: STORES_AT_ONCE });
    const present = new Set(found);
    const isLast = found.length < STORES_AT_ONCE;
    const known = found.at(-1) ?? "";
    for (; at < left.length && (isLast || left[at] <= known); at++) {
      const name = left[at];
      yield { name, item: present.has(name) ? { storeId: name } : undefined };
    }
  }
}

/** The UUID before a UUID; undefined for the first one. */
function before(id: string): string | undefined {
  const number = BigInt(`0x${id.replaceAll("-", "")}`);
  if (number === 0n) return undefined;
  const digits = (number - 1n).toString(16).padStart(32, "0");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
