import { DEFAULT_VERBS, type Grant, type NameLimit, VERBS, type Verb } from "./grant.ts";

/** Claims of a token. All other claims have no effect on grants. */
export interface GrantClaims {
  /** Scopes with spaces between them, or a list of scopes. */
  readonly scope?: unknown;
  /** As `scope`. */
  readonly scp?: unknown;
  /** As `scope`. */
  readonly permissions?: unknown;
  /** A list of grants: see `Grant`. */
  readonly streamkit?: unknown;
}

/** A grant with all defaults in place. */
export type FullGrant = Grant & Required<Pick<Grant, "store" | "verbs" | "bind">>;

/** The grants of claims. */
export interface ParsedClaims {
  readonly grants: readonly FullGrant[];
  /** One line for each malformed entry. Such an entry grants nothing. Has at most 16 lines. */
  readonly problems: readonly string[];
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const SCOPE_PREFIX = "streamkit::";
const SCOPE_FORM = `expected streamkit::* or streamkit::{store UUID}, and optionally one of ${VERBS.map((verb) => `:${verb}`).join(", ")}`;
const GRANT_KEYS: readonly string[] = ["store", "space", "segment", "verbs", "bind"];
const MAX_PROBLEMS = 16;
const MAX_SHOWN = 80;

/** Reads the grants of claims. Never throws: a malformed entry grants nothing, and becomes a problem. */
export function parseClaims(claims: GrantClaims): ParsedClaims {
  const grants: FullGrant[] = [];
  const problems: string[] = [];
  const take = (place: string, parse: () => FullGrant) => {
    try {
      grants.push(parse());
    } catch (error) {
      if (problems.length < MAX_PROBLEMS) problems.push(`${place}: ${(error as Error).message}`);
    }
  };
  for (const claim of ["scope", "scp", "permissions"] as const) {
    for (const scope of scopesOf(claims[claim])) {
      // Tokens also carry the scopes of other services, and an empty text between two spaces.
      if (scope.startsWith(SCOPE_PREFIX)) take(claim, () => parseScope(scope));
    }
  }
  if (claims.streamkit !== undefined) {
    const list: readonly unknown[] = Array.isArray(claims.streamkit) ? claims.streamkit : [claims.streamkit];
    for (const [index, item] of list.entries()) take(`streamkit[${index}]`, () => parseGrant(item));
  }
  return { grants, problems };
}

function scopesOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === "string") : [];
}

function parseScope(scope: string): FullGrant {
  const [store = "", verb, ...rest] = scope.slice(SCOPE_PREFIX.length).split(":");
  if (rest.length > 0 || !isStore(store) || (verb !== undefined && !isVerb(verb))) {
    throw new TypeError(`${shown(scope)} is not a scope; ${SCOPE_FORM}`);
  }
  return { store: store.toLowerCase(), verbs: verb === undefined ? DEFAULT_VERBS : [verb], bind: false };
}

/**
 * Checks one grant. An unknown key is an error, since it may be a misspelled limit.
 *
 * @throws TypeError that names the key, its value and the expected form
 */
export function parseGrant(grant: unknown): FullGrant {
  if (!isRecord(grant))
    throw new TypeError(`${shown(grant)} is not a grant; expected an object such as {"store": "*"}`);
  const unknown = Object.keys(grant).find((key) => !GRANT_KEYS.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(`${shown(unknown)} is not a key of a grant; expected ${GRANT_KEYS.join(", ")}`);
  }
  const { store, space, segment, verbs = DEFAULT_VERBS, bind = false } = grant;
  if (!isStore(store)) throw new TypeError(`store is ${shown(store)}; expected a UUID or "*"`);
  if (!Array.isArray(verbs) || verbs.length === 0 || !verbs.every(isVerb)) {
    throw new TypeError(`verbs is ${shown(verbs)}; expected a list of ${VERBS.join(", ")}`);
  }
  if (typeof bind !== "boolean") throw new TypeError(`bind is ${shown(bind)}; expected true or false`);
  return {
    store: store.toLowerCase(),
    verbs: [...verbs],
    bind,
    ...(space !== undefined && { space: parseLimit(space, "space") }),
    ...(segment !== undefined && { segment: parseLimit(segment, "segment") }),
  };
}

/** An empty text is an error, since a template with an absent value makes one, and an empty prefix covers all names. */
function parseLimit(limit: unknown, key: string): NameLimit {
  const [[kind, name] = [], ...rest] = isRecord(limit) ? Object.entries(limit) : [];
  if (rest.length === 0 && typeof name === "string" && name !== "") {
    if (kind === "exact") return { exact: name };
    if (kind === "prefix") return { prefix: name };
  }
  const expected = 'expected {"exact": "name"} or {"prefix": "start of a name"}; leave it out for no limit';
  throw new TypeError(`${key} is ${shown(limit)}; ${expected}`);
}

function isStore(store: unknown): store is string {
  return store === "*" || (typeof store === "string" && UUID.test(store));
}

function isVerb(verb: unknown): verb is Verb {
  return (VERBS as readonly unknown[]).includes(verb);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value in a message, cut to a bounded length. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}
