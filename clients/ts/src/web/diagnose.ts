import { browserPage } from "./page.ts";

/** Longest wait for a diagnosis, in milliseconds. */
const DIAGNOSE_MILLIS = 1_500;

/**
 * The reason why a page gets no answer from a server; `undefined` if the failure may pass. A browser only tells a page
 * that fetch has failed. So this function asks the server again without CORS. If that succeeds, the server is there,
 * and the browser withholds its answers from pages of this origin.
 */
export async function diagnoseFetch(address: URL, fetch: typeof globalThis.fetch): Promise<string | undefined> {
  const page = browserPage();
  if (page === undefined || page.origin === address.origin) return undefined;
  if (page.url.startsWith("https:") && address.protocol === "http:" && !isLoopback(address.hostname)) {
    return "a page with an https:// address may not call an http:// address: serve Streamkit with TLS";
  }
  try {
    const signal = AbortSignal.timeout(DIAGNOSE_MILLIS);
    await fetch(address, { mode: "no-cors", cache: "no-store", credentials: "omit", signal });
  } catch {
    return undefined;
  }
  return `the server is there, and the browser withholds its answers from this page: the server does not allow the origin ${page.origin}, or redirects. Allow the origin on the server (--cors-origin ${page.origin}, or the option cors), and use the address that it does not redirect`;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || /^(127\.|\[::1\]$)/.test(hostname);
}
