import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { parseHostname } from "./authority.ts";
import { type AllowedOrigins, isForeignOrigin } from "./cors-rules.ts";

/** The status and the message with which a request is refused before it reaches an RPC. */
export interface CallerRefusal {
  readonly status: number;
  readonly message: string;
}

/**
 * Returns the status and the message with which to refuse a request for an RPC or a socket; undefined if the request
 * may reach it. A request is refused if it names no host, names a host that is not this server, or comes from a foreign
 * page.
 */
export function reasonToRefuse(
  request: IncomingMessage | Http2ServerRequest,
  isKnownHost: (hostname: string) => boolean,
  origins: AllowedOrigins | undefined,
): CallerRefusal | undefined {
  const authority = ("authority" in request ? request.authority : undefined) || request.headers.host;
  const hostname = parseHostname(authority);
  if (authority === undefined || hostname === undefined) {
    return { status: 400, message: `the request names the host ${shown(authority)}; expected a host, or host:port` };
  }
  if (!isKnownHost(hostname)) {
    const message = `this server does not answer to the host name ${shown(hostname)}; allow it with --allowed-host or allowedHosts`;
    return { status: 403, message };
  }
  const { origin } = request.headers;
  if (isForeignOrigin(origin, authority, origins)) {
    const message = `pages of ${shown(origin)} must not call this server; allow them with --cors-origin or cors`;
    return { status: 403, message };
  }
  return undefined;
}

/** Makes text of a client short and safe for logs. */
function shown(text: string | undefined): string {
  return text === undefined ? "(none)" : JSON.stringify(text.slice(0, 100));
}
