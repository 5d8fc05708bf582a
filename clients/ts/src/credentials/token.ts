import type { Check } from "../options.ts";

/** Longest token, in characters. Servers and proxies accept some 16 KiB of headers. */
const MAX_LENGTH = 8_192;
/** The characters of a bearer token (RFC 6750, section 2.1). None of them can end a header. */
const BEARER = /^[\w.~+/-]+=*$/;
/** Least part of its life that a token still has when the client asks for the next one. */
const LEAST_LEAD = 0.2;
/** Largest part of its life that a token still has then. */
const MOST_LEAD = 0.5;
/** Time before the end of a token at which the client asks for the next one, between these parts, in milliseconds. */
const LEAD_MILLIS = 30_000;
/** Least time between two questions ahead of the end, in milliseconds. */
const LEAST_LIFE_MILLIS = 1_000;

/** A bearer token, as calls carry it. */
export class Token {
  /** The headers of a call. Frozen, so that a transport may keep their encoded form. */
  readonly headers: { readonly authorization: string };
  /** End of the token, in milliseconds since 1970; Infinity if the client cannot tell. */
  readonly expiresAt: number;
  /** Time from which on the client asks for the next token, in milliseconds since 1970. */
  readonly refreshAt: number;
  /** True until a server accepts this token, if it takes the place of a refused one. */
  isOnTrial: boolean;
  /** The verdict on a refused token: true if another token may help. */
  isReplaceable: boolean | undefined;

  constructor(text: string, isOnTrial: boolean) {
    this.headers = Object.freeze({ authorization: `Bearer ${text}` });
    this.isOnTrial = isOnTrial;
    const received = Date.now();
    const life = expiryOf(text) - received;
    // A token that seems to have expired comes from a server with another clock. Its end says nothing here.
    const isKnown = life > 0 && life < Number.POSITIVE_INFINITY;
    const lead = Math.max(LEAST_LEAD * life, Math.min(LEAD_MILLIS, MOST_LEAD * life));
    // Up to a quarter earlier, so that clients that started together do not ask together.
    const rest = Math.max(life - lead * (1 + Math.random() / 4), LEAST_LIFE_MILLIS);
    this.expiresAt = isKnown ? received + life : Number.POSITIVE_INFINITY;
    this.refreshAt = isKnown ? received + rest : Number.POSITIVE_INFINITY;
  }
}

/** True for a text that an `authorization` header can carry as a bearer token. */
export function isToken(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_LENGTH && BEARER.test(value);
}

/** Says how a value differs from a token, without the value, which may be secret. */
export function mismatch(value: unknown): string {
  const got = typeof value === "string" ? `${value.length} characters` : typeof value;
  return `a token of 1 to 8,192 letters, digits and "-._~+/=", without "Bearer "; got ${got}`;
}

/** The option `token` of a client. */
export const tokenOption: Check = (value, field, report) => {
  if (typeof value === "function" || isToken(value)) return;
  report(field, `must be a function, or ${mismatch(value)}`);
};

/** The end of a JWT, in milliseconds since 1970; NaN for other tokens. The server alone checks signatures. */
export function expiryOf(token: string): number {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(claims)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1_000 : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
