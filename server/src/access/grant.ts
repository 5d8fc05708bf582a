/** Kinds of operations. Each RPC needs one of them; the protocol definition says which. No verb includes another. */
export type Verb = "read" | "append" | "trim" | "coordinate" | "admin";

/** All verbs. */
export const VERBS: readonly Verb[] = ["read", "append", "trim", "coordinate", "admin"];

/** The verbs of a grant that lists none: all except admin. */
export const DEFAULT_VERBS: readonly Verb[] = VERBS.filter((verb) => verb !== "admin");

/** One name, or all names with a prefix. */
export type NameLimit = { readonly exact: string } | { readonly prefix: string };

/** One grant. Each limit narrows it: a grant without limits covers the whole store. */
export interface Grant {
  /** UUID of the store; "*" for all stores. */
  readonly store: string;
  /** Spaces that the grant covers. Absent: all, and operations on the whole store. */
  readonly space?: NameLimit;
  /** Segments that the grant covers. Absent: all, and operations on whole spaces. */
  readonly segment?: NameLimit;
  /** Absent: all except admin. */
  readonly verbs?: readonly Verb[];
  /** True if leases, cursors and workers that the caller makes belong to the caller alone. Default false. */
  readonly bind?: boolean;
}

/** A part of names in a request: one name, or all names with a prefix. */
export type NameSelection = string | { readonly prefix: string };

/** Whether a limit covers all names that a request selects. `undefined` selects everything. */
export function coversNames(limit: NameLimit | undefined, names: NameSelection | undefined): boolean {
  if (limit === undefined) return true;
  if (names === undefined) return false;
  if (typeof names === "string") return "exact" in limit ? names === limit.exact : names.startsWith(limit.prefix);
  return "prefix" in limit && names.prefix.startsWith(limit.prefix);
}
