import type { errors, JWTPayload, ProtectedHeaderParameters } from "jose";
import { AccessDenied } from "../denial.ts";
import type { GrantClaims } from "../parse-claims.ts";
import type { KeySource } from "./key-source.ts";

/** The rules that a token must follow. */
export interface TokenRules {
  readonly algorithms: readonly string[];
  /** Undefined accepts all issuers that have the key. */
  readonly issuers: readonly string[] | undefined;
  /** The token must be for one of them. Undefined accepts tokens for all audiences. */
  readonly audiences: readonly string[] | undefined;
  /** Value of `typ` in the header. Undefined accepts all. */
  readonly type: string | undefined;
  /** Difference of clocks that the server tolerates, in seconds. */
  readonly clockTolerance: number;
}

/** The claims of a valid token. */
export type ValidClaims = JWTPayload & GrantClaims & { readonly sub: string; readonly exp: number };

type Jose = typeof import("jose");

const MAX_SHOWN = 100;

/**
 * Checks the signature and the claims of a token. Messages of errors quote values of claims only after the signature
 * was checked, and never the token.
 *
 * @param now in milliseconds since 1970
 * @throws AccessDenied for a bad token
 * @throws AuthenticationUnavailable if the keys are not known now
 */
export async function verifyToken(
  token: string,
  rules: TokenRules,
  source: KeySource,
  now: number,
): Promise<ValidClaims> {
  // Loaded on demand, since servers without tokens start faster without it.
  const jose = await import("jose");
  const { alg, kid } = readHeader(jose, token, rules);
  const keys = await source.find(alg, kid);
  if (keys.length === 0) {
    throw invalid(`the server has no key for ${alg}${kid === undefined ? "" : ` with the id ${shown(kid)}`}`);
  }
  for (const { key } of keys) {
    try {
      const { payload } = await jose.jwtVerify(token, key, {
        algorithms: [alg],
        requiredClaims: ["exp", "sub"],
        clockTolerance: rules.clockTolerance,
        currentDate: new Date(now),
        ...(rules.issuers && { issuer: [...rules.issuers] }),
        ...(rules.audiences && { audience: [...rules.audiences] }),
        ...(rules.type !== undefined && { typ: rules.type }),
      });
      return checkSubject(payload);
    } catch (error) {
      if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) throw toDenial(jose, error, rules);
    }
  }
  throw invalid("its signature does not fit: another key signed it, or it was changed");
}

function readHeader(jose: Jose, token: string, { algorithms }: TokenRules): { alg: string; kid: string | undefined } {
  let header: ProtectedHeaderParameters;
  try {
    header = jose.decodeProtectedHeader(token);
  } catch {
    throw invalid("it is not a JWT; expected three parts of base64url with dots between them");
  }
  const { alg, kid } = header;
  if (typeof alg !== "string" || !algorithms.includes(alg)) {
    throw invalid(`it is signed with ${shown(alg)}; expected ${algorithms.join(", ")}`);
  }
  if (kid !== undefined && typeof kid !== "string") throw invalid("the key id in its header is not a text");
  return { alg, kid };
}

function checkSubject(payload: JWTPayload): ValidClaims {
  if (typeof payload.sub === "string" && payload.sub !== "") return payload as ValidClaims;
  throw invalid('its claim "sub" is not a text; expected the name of the caller');
}

/** Translates an error of jose. Other errors pass unchanged. */
function toDenial({ errors }: Jose, error: unknown, rules: TokenRules): unknown {
  if (error instanceof errors.JWTExpired) {
    return new AccessDenied("TOKEN_EXPIRED", `the token expired at ${shownTime(error.payload.exp)}; get a new one`);
  }
  if (error instanceof errors.JWTClaimValidationFailed) return invalid(claimProblem(error, rules));
  if (error instanceof errors.JOSENotSupported) return invalid("its header demands an extension; expected none");
  if (error instanceof errors.JOSEError) return invalid("it is not a JWT with a signature and a JSON object");
  return error;
}

function claimProblem({ claim, reason, payload }: errors.JWTClaimValidationFailed, rules: TokenRules): string {
  const value = shown(payload[claim]);
  if (reason === "missing") return `it has no claim ${shown(claim)}`;
  switch (claim) {
    case "iss":
      return `its issuer is ${value}; expected ${rules.issuers?.map(shown).join(" or ")}`;
    case "aud":
      return `its audience is ${value}; expected ${rules.audiences?.map(shown).join(" or ")}`;
    case "nbf":
      if (typeof payload.nbf === "number") return `it is not valid before ${shownTime(payload.nbf)}`;
      break;
    case "typ":
      return `the type in its header is not ${shown(rules.type)}`;
  }
  return `its claim ${shown(claim)} is ${value}`;
}

function invalid(problem: string): AccessDenied {
  return new AccessDenied("TOKEN_INVALID", `the token is not valid: ${problem}`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "absent").slice(0, MAX_SHOWN);
}

/** @param seconds since 1970; may be out of the range of dates */
function shownTime(seconds: unknown): string {
  const date = new Date(Number(seconds) * 1_000);
  return Number.isNaN(date.getTime()) ? `${shown(seconds)} s after 1970` : date.toISOString();
}
