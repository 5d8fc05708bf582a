import { parseServerUrl, type ServerUrl } from "../remote/server-url.ts";

const FORM = {
  schemes: ["nats", "tls"],
  defaultPort: 4222,
  expected:
    "nats://[user:password@ or token@]host[:port][,...], or tls:// for TLS, with special characters in user, password and " +
    "token escaped",
};

/**
 * The servers of a URL. It names one or several: each with a scheme, or hosts alone after the first. A server without
 * credentials gets those of the first.
 *
 * @throws TypeError for a URL that it cannot use; the message holds no secret
 */
export function parseUrls(text: string): ServerUrl[] {
  const urls = String(text)
    .split(/,(?=\w+:\/\/)/)
    .flatMap(splitHosts)
    .map((part) => parseServerUrl(part, FORM));
  if (urls.some(({ path }) => path !== "" && path !== "/"))
    throw new TypeError(`expected a URL of the form ${FORM.expected}`);
  if (urls.some((url) => url.user === "" && url.password !== ""))
    throw new TypeError("the URL has a password but no user; give both, or a token");
  const [{ user, password }] = urls as [ServerUrl];
  return urls.map((url) => (url.user === "" && url.password === "" ? { ...url, user, password } : url));
}

/**
 * Splits `nats://user:password@a,b` into `nats://user:password@a` and `nats://b`. A comma before the "@" separates no
 * hosts.
 */
function splitHosts(text: string): string[] {
  const scheme = /^\w+:\/\//.exec(text)?.[0] ?? "";
  const hostsAt = Math.max(scheme.length, text.lastIndexOf("@") + 1);
  const [first, ...others] = text.slice(hostsAt).split(",");
  return [text.slice(0, hostsAt) + first, ...others.map((host) => scheme + host)];
}
