import { VERBS } from "../../src/access/grant.ts";
import { AccessDenied, type Authenticate, AuthenticationUnavailable, Grants, type Principal } from "../../src/index.ts";
import { SEGMENT, SPACE, STORE } from "./calls.ts";

const OTHER_STORE = "00000000-0000-4000-8000-00000000000a";

/** Principals by their token. */
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  right: { subject: "right", grants: Grants.all },
  "one store": { subject: "tenant", grants: Grants.of([{ store: STORE, verbs: VERBS }]) },
  "other store": { subject: "stranger", grants: Grants.of([{ store: OTHER_STORE, verbs: VERBS }]) },
  "no grants": { subject: "nobody", grants: Grants.none },
  "own space": { subject: "limited", grants: Grants.of([{ store: STORE, space: { exact: SPACE }, verbs: VERBS }]) },
  "foreign space": { subject: "limited", grants: Grants.of([{ store: STORE, space: { prefix: "x" }, verbs: VERBS }]) },
  "own segment": {
    subject: "limited",
    grants: Grants.of([{ store: STORE, space: { exact: SPACE }, segment: { exact: SEGMENT }, verbs: VERBS }]),
  },
  "foreign segment": {
    subject: "limited",
    grants: Grants.of([{ store: STORE, space: { exact: SPACE }, segment: { prefix: "x" }, verbs: VERBS }]),
  },
  "read only": { subject: "reader", grants: Grants.of([{ store: STORE, verbs: ["read"] }]) },
  ...Object.fromEntries(
    VERBS.map((verb) => [
      `without ${verb}`,
      { subject: "x", grants: Grants.of([{ store: STORE, verbs: VERBS.filter((other) => other !== verb) }]) },
    ]),
  ),
  "expired principal": { subject: "x", grants: Grants.all, expiresAt: Date.now() - 1 },
  "revoked principal": { subject: "x", grants: Grants.all, revoked: AbortSignal.abort() },
  "no principal": undefined as never,
};

/** Reads a token that names its principal, or its fault. Half of the answers take a turn of the event loop. */
export const authenticate: Authenticate = ({ headers }) => {
  const header = headers.get("authorization");
  const late = header?.endsWith(" later") === true;
  if (!late) return principalOf(header);
  return Promise.resolve().then(() => principalOf(header.slice(0, -" later".length)));
};

function principalOf(header: string | null): Principal {
  if (header === null) throw new AccessDenied("TOKEN_MISSING", "the request has no token");
  const token = header.replace("Bearer ", "");
  if (token === "expired") throw new AccessDenied("TOKEN_EXPIRED", "the token has expired");
  if (token === "outage") throw new AuthenticationUnavailable("the issuer does not answer", 2_000);
  if (token === "defect") throw new Error("a secret that no caller may see");
  if (!(token in PRINCIPALS)) throw new AccessDenied("TOKEN_INVALID", 'the token "is" \\ no token: ü');
  return PRINCIPALS[token];
}

export const TOKENS: readonly string[] = Object.keys(PRINCIPALS);
