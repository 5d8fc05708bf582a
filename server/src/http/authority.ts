import { isIP } from "node:net";

/** Names of this machine that no other machine can take. */
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The host name in what a request gives as `Host` or `:authority`, in lower case; undefined when that is no host with
 * or without port.
 */
export function parseHostname(authority: string | undefined): string | undefined {
  if (authority === undefined || !/^(\[[0-9a-f:.]+\]|[\w.~%-]+)(:\d*)?$/i.test(authority)) return undefined;
  let url: URL;
  try {
    url = new URL(`http://${authority}`);
  } catch {
    return undefined;
  }
  // What is more than host and port: "user@host" and the like.
  if (url.hostname === "" || url.username !== "" || url.password !== "" || url.pathname !== "/") return undefined;
  return url.hostname;
}

/**
 * Tells which host names a server answers to. A page whose name was bound to this machine's address after it had been
 * loaded (DNS rebinding) names itself as host, so names must be known. Addresses cannot be rebound, and are always
 * answered.
 *
 * @param allowed names without port; "*" allows every name; absent: the loopback names
 */
export function hostCheck(allowed: readonly string[] | "*" = LOOPBACK_NAMES): (hostname: string) => boolean {
  if (allowed === "*" || allowed.includes("*")) return () => true;
  const names = new Set([...LOOPBACK_NAMES, ...allowed].map((name) => name.toLowerCase()));
  return (hostname) => names.has(hostname) || isAddress(hostname);
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.startsWith("[") ? hostname.slice(1, -1) : hostname) !== 0;
}

/** True for an address or name to listen on that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
