import { AccessDenied } from "../denial.ts";

const BEARER = /^bearer(?: |$)/i;
const TOKEN = /^[A-Za-z0-9._~+/=-]+$/;

/**
 * The token in the header `authorization` (RFC 6750, section 2.1).
 *
 * @param maxBytes longest token
 * @throws AccessDenied TOKEN_MISSING without a header or with another scheme
 * @throws AccessDenied TOKEN_INVALID for a long or malformed token
 */
export function bearerToken(header: string | null, maxBytes: number): string {
  const form = 'expected the header "authorization: Bearer" with a token';
  if (header === null || header === "") throw new AccessDenied("TOKEN_MISSING", `the request has no token; ${form}`);
  // Without a scheme, the header may be the token itself, so messages never quote it.
  if (!BEARER.test(header)) {
    throw new AccessDenied("TOKEN_MISSING", `the header "authorization" has no bearer token; ${form}`);
  }
  const token = header.slice("bearer ".length).trim();
  if (token === "") throw new AccessDenied("TOKEN_MISSING", `the token is empty; ${form}`);
  if (token.length > maxBytes) {
    const lengths = `it has ${token.length} characters; expected at most ${maxBytes}`;
    throw new AccessDenied("TOKEN_INVALID", `the token is not valid: ${lengths}`);
  }
  if (TOKEN.test(token)) return token;
  throw new AccessDenied("TOKEN_INVALID", "the token is not valid: it has characters that no token has");
}
