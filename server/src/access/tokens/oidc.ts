import { fetchJson } from "./fetch-json.ts";
import { jwksKeys, type KeySet } from "./key-set.ts";

const LOCAL_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Checks a URL that keys come from. Plain http is for this machine only: on the way from elsewhere, others could
 * replace the keys.
 *
 * @param allowHttp accepts http for all hosts
 * @throws TypeError that names the option and the expected form
 */
export function checkKeyUrl(option: string, text: string, allowHttp: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new TypeError(`${option} is ${JSON.stringify(text)}; expected a URL such as https://login.example.com`);
  }
  // The URL is in messages and logs.
  if (url.username !== "" || url.password !== "")
    throw new TypeError(`${option} has a password; expected a URL without`);
  if (url.protocol === "http:" && !allowHttp && !LOCAL_HOSTS.includes(url.hostname)) {
    throw new TypeError(`${option} is ${JSON.stringify(text)}; expected https, or http with allowHttp`);
  }
  return url;
}

/** Loads a JSON Web Key Set. Errors have a message of one line. */
export async function loadJwks(url: URL, algorithms: readonly string[], signal: AbortSignal): Promise<KeySet> {
  const value = await fetchJson(url, signal);
  try {
    return jwksKeys(value, algorithms);
  } catch (error) {
    throw new Error(`${url.origin}${url.pathname} ${(error as Error).message}`);
  }
}

/**
 * Loads the keys of an OpenID Connect provider: its discovery document names the place.
 *
 * @param issuer as in the claim `iss` of its tokens
 * @throws Error with a message of one line
 */
export async function loadOidcKeys(
  issuer: string,
  algorithms: readonly string[],
  allowHttp: boolean,
  signal: AbortSignal,
): Promise<KeySet> {
  const discovery = new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const document = (await fetchJson(discovery, signal)) as { issuer?: unknown; jwks_uri?: unknown } | null;
  if (document?.issuer !== issuer) {
    throw new Error(`${discovery.href} is of the issuer ${shown(document?.issuer)}; expected ${shown(issuer)}`);
  }
  if (typeof document.jwks_uri !== "string") throw new Error(`${discovery.href} has no jwks_uri`);
  const local = LOCAL_HOSTS.includes(discovery.hostname);
  const url = checkKeyUrl(`jwks_uri of ${discovery.href}`, document.jwks_uri, allowHttp);
  // A document from elsewhere must not turn requests of this server to its own machine.
  if (!local && LOCAL_HOSTS.includes(url.hostname)) {
    throw new Error(`jwks_uri of ${discovery.href} is on the host ${url.hostname}; expected a public host`);
  }
  return loadJwks(url, algorithms, signal);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "absent").slice(0, 200);
}
