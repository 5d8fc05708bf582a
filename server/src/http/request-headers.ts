import type { IncomingHttpHeaders } from "node:http";

/**
 * Converts the headers of a Node request into those of the Fetch API, without pseudo-headers of HTTP/2.
 *
 * @param without names of further headers to omit, in lower case
 */
export function toWebHeaders(headers: IncomingHttpHeaders, without: readonly string[] = []): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":") || without.includes(name)) continue;
    for (const item of Array.isArray(value) ? value : [value]) result.append(name, item);
  }
  return result;
}
