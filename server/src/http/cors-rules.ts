import { cors } from "@connectrpc/connect";

/** Origins that may call from a browser: a list, or "*" for all. Absent: none but the server's own. */
export type AllowedOrigins = "*" | readonly string[];

/** What the rules say about one request. */
export interface CorsAnswer {
  /** True if the request only asks for permission: the answer is 204 with these headers, and no call is made. */
  readonly preflight: boolean;
  /** Headers of the answer, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const PREFLIGHT_CACHE_SECONDS = "7200";
const NOTHING: CorsAnswer = { preflight: false, headers: {} };

/**
 * Decides which CORS headers the answer to a request carries.
 *
 * @param origin the request's `origin` header; absent when no browser or the same origin calls
 */
export function corsAnswer(
  { method, origin }: { readonly method: string | undefined; readonly origin: string | undefined },
  allowed: AllowedOrigins | undefined,
): CorsAnswer {
  if (allowed === undefined) return NOTHING;
  // A cache that stores the answer for one origin must not serve it to another one.
  const vary: Record<string, string> = allowed === "*" ? {} : { vary: "origin" };
  if (origin === undefined || !(allowed === "*" || allowed.includes(origin)))
    return { preflight: false, headers: vary };
  const headers = { "access-control-allow-origin": allowed === "*" ? "*" : origin, ...vary };
  if (method !== "OPTIONS") {
    return {
      preflight: false,
      headers: { ...headers, "access-control-expose-headers": cors.exposedHeaders.join(", ") },
    };
  }
  return {
    preflight: true,
    headers: {
      ...headers,
      "access-control-allow-methods": cors.allowedMethods.join(", "),
      "access-control-allow-headers": [...cors.allowedHeaders, "authorization"].join(", "),
      "access-control-max-age": PREFLIGHT_CACHE_SECONDS,
    },
  };
}

/**
 * True for a request from a page that may not call: its origin is neither the server's own nor allowed. Browsers send
 * the requests of such a page all the same, and only keep the responses from it. Other clients send no origin.
 *
 * @param authority what the request names as host, with or without port
 */
export function isForeignOrigin(
  origin: string | undefined,
  authority: string,
  allowed: AllowedOrigins | undefined,
): boolean {
  if (origin === undefined || allowed === "*" || allowed?.includes(origin)) return false;
  const scheme = /^(https?):/.exec(origin)?.[1];
  return scheme === undefined || URL.parse(`${scheme}://${authority}`)?.origin !== origin;
}
