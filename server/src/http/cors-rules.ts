import { cors } from "@connectrpc/connect";

/**
 * Origins whose pages may call from a browser: a list, or "*" for all. Default: only the origin of the server itself.
 */
export type AllowedOrigins = "*" | readonly string[];

/** The CORS part of an answer to a request. */
export interface CorsAnswer {
  /** True if the request is a preflight. The server then answers 204 with these headers and makes no call. */
  readonly preflight: boolean;
  /** Headers of the answer. Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const PREFLIGHT_CACHE_SECONDS = "7200";
/** Headers of answers that pages may read. */
const EXPOSED_HEADERS = [...cors.exposedHeaders, "www-authenticate"].join(", ");
const NOTHING: CorsAnswer = { preflight: false, headers: {} };

/**
 * Decides which CORS headers the answer to a request carries.
 *
 * @param origin the `origin` header of the request; undefined if the request has none, as requests that are not made by
 * a page
 */
export function corsAnswer(
  { method, origin }: { readonly method: string | undefined; readonly origin: string | undefined },
  allowed: AllowedOrigins | undefined,
): CorsAnswer {
  if (allowed === undefined) return NOTHING;
  // A cache must not serve an answer for one origin to another origin.
  const vary: Record<string, string> = allowed === "*" ? {} : { vary: "origin" };
  if (origin === undefined || !(allowed === "*" || allowed.includes(origin)))
    return { preflight: false, headers: vary };
  const headers = { "access-control-allow-origin": allowed === "*" ? "*" : origin, ...vary };
  if (method !== "OPTIONS") {
    return {
      preflight: false,
      headers: { ...headers, "access-control-expose-headers": EXPOSED_HEADERS },
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
 * True if a request comes from a page that may not call: its origin is neither the server's own nor an allowed one. A
 * browser sends the requests of such a page and only hides the responses, so the server must refuse them. Other clients
 * send no origin.
 *
 * @param authority the host that the request names, with or without a port
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
