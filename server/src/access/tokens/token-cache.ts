import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Principal } from "../principal.ts";

/** Longest time without a new check of a token, in milliseconds. */
const MAX_AGE_MILLIS = 60_000;
/** Most tokens in memory. */
const MAX_TOKENS = 4_096;

interface Entry {
  readonly principal: Principal;
  /** In milliseconds since 1970. */
  readonly until: number;
}

/** Principals of tokens that were checked a moment ago. Holds hashes, so that tokens do not stay in memory. */
export class TokenCache {
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_TOKENS });

  static keyOf(token: string): string {
    return hash("sha256", token, "base64");
  }

  /** @param now in milliseconds since 1970 */
  get(key: string, now: number): Principal | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || now < entry.until) return entry?.principal;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, principal: Principal & { readonly expiresAt: number }, now: number): void {
    this.#entries.set(key, { principal, until: Math.min(principal.expiresAt, now + MAX_AGE_MILLIS) });
  }

  clear(): void {
    this.#entries.clear();
  }
}
