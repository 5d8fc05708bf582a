/** Kinds of refused credentials. The server answers all of them with UNAUTHENTICATED and this reason. */
export type DenialReason = "TOKEN_MISSING" | "TOKEN_INVALID" | "TOKEN_EXPIRED";

/**
 * The credentials of a request are missing or bad. An `Authenticate` function throws this error, and the server answers
 * UNAUTHENTICATED.
 *
 * The server sends the message to the caller, so the message must not have credentials or secrets.
 */
export class AccessDenied extends Error {
  override readonly name = "AccessDenied";
  readonly reason: DenialReason;

  /** @param message names the problem and the remedy: "the token expired at 2026-01-31T10:00:00.000Z; get a new one" */
  constructor(reason: DenialReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Nobody can tell whether the credentials are good, for example because the keys of the issuer cannot be fetched. The
 * server answers UNAVAILABLE, so that clients try again with the same credentials.
 */
export class AuthenticationUnavailable extends Error {
  override readonly name = "AuthenticationUnavailable";
  /** Time to wait before a retry, in milliseconds. */
  readonly retryAfterMillis: number;

  /** @param message for the caller; the `cause` is for logs only */
  constructor(message: string, retryAfterMillis: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMillis = retryAfterMillis;
  }
}
