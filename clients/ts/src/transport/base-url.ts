import { invalidArgument } from "../errors/error.ts";

/**
 * Parses the address of a server.
 *
 * @throws StreamkitError INVALID_FIELD for an address that no client can use
 */
export function parseBaseUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  const found = `found ${JSON.stringify(baseUrl)}`;
  if (url === undefined) throw invalidArgument("baseUrl", `expected a URL such as http://127.0.0.1:8080; ${found}`);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw invalidArgument("baseUrl", `expected an address with http:// or https://; ${found}`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidArgument("baseUrl", `expected an address without "?" and "#"; ${found}`);
  }
  if (url.username !== "" || url.password !== "") {
    // The message leaves the address out, because it may contain a password.
    throw invalidArgument("baseUrl", "expected an address without credentials; pass a token to the client");
  }
  return url;
}
