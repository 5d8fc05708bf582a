import { Code, ConnectError } from "@connectrpc/connect";
import { toStreamkitError } from "../errors/from-connect.ts";
import { browserPage } from "../web/page.ts";

/** Longest wait for a diagnosis, in milliseconds. */
const DIAGNOSE_MILLIS = 1_500;

/**
 * The lasting reason why a WebSocket did not open; `undefined` if the failure may pass. Platforms give no reason. So
 * this function asks the address over HTTP, and tries a socket once more, because the server may only just have
 * started. A socket that gets no answer in time is no mistake: a server, a browser or a network may be slow.
 */
export async function diagnoseSocket(url: string, isRefused: () => Promise<boolean>): Promise<string | undefined> {
  const page = browserPage();
  const address = new URL(url.replace(/^ws/, "http"));
  if (page?.url.startsWith("https:") && address.protocol === "http:") {
    return `a page that was loaded over https:// may not open ${url}: serve Streamkit with TLS`;
  }
  const isForeign = page !== undefined && page.origin !== address.origin;
  let said: string | undefined;
  try {
    const signal = AbortSignal.timeout(DIAGNOSE_MILLIS);
    // A page may ask a foreign server only if it follows redirects.
    const how = isForeign ? ({ mode: "no-cors" } as const) : ({ redirect: "manual" } as const);
    const response = await fetch(address, { ...how, signal, cache: "no-store", credentials: "omit" });
    // Servers and proxies that are about to come back.
    if (response.status >= 500 || response.status === 429) return undefined;
    said = response.status === 0 ? "" : ` (HTTP ${response.status}${firstLine(await response.text())})`;
  } catch (thrown) {
    const error = toStreamkitError(new ConnectError("no answer", Code.Unavailable, undefined, undefined, thrown));
    return error.reason === "MISCONFIGURED" ? error.message : undefined;
  }
  if (!(await isRefused())) return undefined;
  const origin = page === undefined ? "" : ` allows the origin ${page.origin} (--cors-origin, or the option cors),`;
  return `a server is at ${address.host} and opens no WebSocket at ${url}${said}. Check host, port and path, that the server${origin} speaks WebSocket, and that proxies on the way pass the headers Upgrade and Connection on`;
}

function firstLine(text: string): string {
  const line = text.split(/[\r\n]/, 1)[0].slice(0, 200);
  return line === "" || line.startsWith("<") ? "" : `: ${line}`;
}
