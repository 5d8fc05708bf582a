import type { IncomingHttpHeaders } from "node:http";

/** The headers of a request of Node as those of the Fetch API, without pseudo-headers of HTTP/2. */
export function toWebHeaders(headers: IncomingHttpHeaders, without: readonly string[] = []): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":") || without.includes(name)) continue;
    for (const item of Array.isArray(value) ? value : [value]) result.append(name, item);
  }
  return result;
}
