import { Events } from "../../events.ts";
import { Grants } from "../grants.ts";
import type { AccessRequest, Principal } from "../principal.ts";
import { bearerToken } from "./bearer.ts";
import type { KeySource } from "./key-source.ts";
import { TokenCache } from "./token-cache.ts";
import { openSource, readRules, type TokenOptions } from "./token-options.ts";
import { type TokenRules, type ValidClaims, verifyToken } from "./verify-token.ts";

/** Authentication by tokens: an `Authenticate` function for `createStreamkit`, which also holds the keys. */
export interface TokenAuthentication extends AsyncDisposable {
  /** Answers at once, without a promise, for a token that was checked less than a minute ago. */
  (request: AccessRequest): Principal | Promise<Principal>;
  /** Ends timers and requests for keys. Later calls use the last known keys. Idempotent. */
  close(): Promise<void>;
}

/** Ends of tokens after this time are equal, in milliseconds since 1970: the last time that a `Date` can have. */
const LAST_TIME = 8.64e15;

/**
 * Authenticates callers by JSON Web Tokens in the header `authorization: Bearer`. The claims `scope`, `scp`,
 * `permissions` and `streamkit` of a token are its grants, `sub` is its subject, and `exp` its end.
 *
 * Errors of the returned function: AccessDenied TOKEN_MISSING, TOKEN_INVALID or TOKEN_EXPIRED for a bad token;
 * AuthenticationUnavailable if the server does not know the keys.
 *
 * @example
 * createStreamkit({ storage, authenticate: tokenAuthentication({ secret: await readFile("secret") }) });
 * @throws TypeError for options that are missing, malformed, or do not fit each other, and for unusable keys
 */
export function tokenAuthentication(options: TokenOptions): TokenAuthentication {
  const rules = readRules(options);
  const events = new Events(options.onEvent);
  const source = openSource(options, rules.algorithms, events);
  const tokens = new Tokens(rules, source, events);
  const close = async () => {
    source.close();
    events.flush();
  };
  return Object.assign((request: AccessRequest) => tokens.authenticate(request), {
    close,
    [Symbol.asyncDispose]: close,
  });
}

/** Tokens that callers send. */
class Tokens {
  readonly #rules: TokenRules & { readonly maxBytes: number };
  readonly #source: KeySource;
  readonly #events: Events;
  readonly #cache = new TokenCache();
  /** Checks in progress, by the hash of the token: all calls of one client often come at once. */
  readonly #checks = new Map<string, Promise<Principal>>();
  /** Counts sets of keys, so that a check with earlier keys leaves nothing in the cache. */
  #keysChanged = 0;

  constructor(rules: TokenRules & { readonly maxBytes: number }, source: KeySource, events: Events) {
    this.#rules = rules;
    this.#source = source;
    this.#events = events;
    source.onChange = () => {
      this.#keysChanged++;
      this.#cache.clear();
    };
  }

  authenticate({ headers }: AccessRequest): Principal | Promise<Principal> {
    const token = bearerToken(headers.get("authorization"), this.#rules.maxBytes);
    const key = TokenCache.keyOf(token);
    return this.#cache.get(key, Date.now()) ?? this.#checks.get(key) ?? this.#check(token, key);
  }

  #check(token: string, key: string): Promise<Principal> {
    const check = this.#verify(token, key).finally(() => this.#checks.delete(key));
    this.#checks.set(key, check);
    return check;
  }

  async #verify(token: string, key: string): Promise<Principal> {
    const now = Date.now();
    const before = this.#keysChanged;
    const claims = await verifyToken(token, this.#rules, this.#source, now);
    const principal = this.#principalOf(claims);
    if (this.#keysChanged === before) this.#cache.set(key, principal, now);
    return principal;
  }

  #principalOf(claims: ValidClaims): Principal & { readonly expiresAt: number } {
    const { issuers, clockTolerance } = this.#rules;
    const grants = Grants.parse(claims);
    const subject = issuers !== undefined && issuers.length > 1 ? `${claims.iss} ${claims.sub}` : claims.sub;
    if (grants.problems.length > 0) {
      const message = `a token of ${JSON.stringify(subject)} has entries that grant nothing: ${grants.problems.join("; ")}`;
      this.#events.report({ level: "warn", kind: "token-grants", message });
    }
    return { subject, grants, expiresAt: Math.min((claims.exp + clockTolerance) * 1_000, LAST_TIME) };
  }
}
