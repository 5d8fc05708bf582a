import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import { AccessDenied, AuthenticationUnavailable, type DenialReason } from "./denial.ts";
import type { Verb } from "./grant.ts";
import type { Grants } from "./grants.ts";

const REASONS: Readonly<Record<DenialReason, ErrorReason>> = {
  TOKEN_MISSING: ErrorReason.TOKEN_MISSING,
  TOKEN_INVALID: ErrorReason.TOKEN_INVALID,
  TOKEN_EXPIRED: ErrorReason.TOKEN_EXPIRED,
};

/** Longest description in a challenge, in characters. */
const MAX_DESCRIPTION = 200;
/** Longest list of malformed entries in a message, in characters. */
const MAX_HINT = 500;

/**
 * Returns the error of the server for an error of an `Authenticate` function; undefined if the error is a defect of
 * that function.
 */
export function refusalOf(error: unknown): ServerError | undefined {
  if (error instanceof AccessDenied) return denied(error.reason, error.message);
  if (error instanceof AuthenticationUnavailable) {
    const { message, retryAfterMillis, cause } = error;
    return new ServerError(ErrorReason.AUTHENTICATION_UNAVAILABLE, message, { retryAfterMillis, cause });
  }
  return undefined;
}

/** Returns the error for missing or bad credentials, with the challenge of RFC 6750, section 3. */
export function denied(reason: DenialReason, message: string): ServerError {
  // A request without credentials gets no error code (RFC 6750, section 3.1).
  const challenge = reason === "TOKEN_MISSING" ? "Bearer" : challengeOf("invalid_token", message);
  return new ServerError(REASONS[reason], message, { challenge });
}

/** Returns the error for a principal without any grant for a verb. */
export function missingVerb(verb: Verb, grants: Grants): ServerError {
  return insufficient(`the call needs "${verb}", which no grant of its principal allows`, grants);
}

/**
 * Returns the error for a principal that lacks a right. Names malformed entries of its credentials, which are the usual
 * cause.
 *
 * @param message must not tell whether anything exists
 */
export function insufficient(message: string, { problems }: Grants): ServerError {
  const challenge = challengeOf("insufficient_scope", message);
  const hint = problems.length === 0 ? "" : `. Malformed entries grant nothing: ${problems.join("; ")}`;
  return new ServerError(ErrorReason.PERMISSION_DENIED, message + hint.slice(0, MAX_HINT), { challenge });
}

function challengeOf(error: string, message: string): string {
  // RFC 6750 allows printable ASCII without quotation marks and backslashes.
  const description = message
    .replaceAll('"', "'")
    .replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, "?")
    .slice(0, MAX_DESCRIPTION);
  return `Bearer error="${error}", error_description="${description}"`;
}
