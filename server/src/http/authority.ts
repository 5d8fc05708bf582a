import { isIP } from "node:net";

/** Names that always mean this machine. */
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Returns the host name of a `Host` or `:authority` header, in lower case, without the port. Returns undefined if the
 * header is missing, or is not a host with an optional port.
 */
export function parseHostname(authority: string | undefined): string | undefined {
  if (authority === undefined || !/^(\[[0-9a-f:.]+\]|[\w.~%-]+)(:\d*)?$/i.test(authority)) return undefined;
  let url: URL;
  try {
    url = new URL(`http://${authority}`);
  } catch {
    return undefined;
  }
  // Refuses more than a host and a port, such as "user@host".
  if (url.hostname === "" || url.username !== "" || url.password !== "" || url.pathname !== "/") return undefined;
  return url.hostname;
}

/**
 * Returns a function that tells whether the server answers to a host name, given in lower case and without a port.
 *
 * A page can bind its own name to this machine's address after the browser loaded it (DNS rebinding). Requests of such
 * a page carry the page's name as host, so the server answers known names only. Nobody can rebind an address, so the
 * server answers to every address.
 *
 * @param allowed names without ports; "*" allows every name. Default: the loopback names, which are always allowed.
 */
export function hostCheck(allowed: readonly string[] | "*" = LOOPBACK_NAMES): (hostname: string) => boolean {
  if (allowed === "*" || allowed.includes("*")) return () => true;
  const names = new Set([...LOOPBACK_NAMES, ...allowed].map((name) => name.toLowerCase()));
  return (hostname) => names.has(hostname) || isAddress(hostname);
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.startsWith("[") ? hostname.slice(1, -1) : hostname) !== 0;
}

/** True if only this machine can reach a server that listens on this address or name. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
