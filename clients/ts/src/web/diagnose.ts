import { browserPage } from "./page.ts";

/** Longest wait of an explanation, in milliseconds. */
const DIAGNOSE_MILLIS = 1_500;

/**
 * Why a browser gave no answer of a server, if that is for good. A browser tells a page nothing but that fetch has
 * failed, so this asks the server again in a way that needs no permission of it and shows the page nothing of its
 * answer: when that works, the server is there, and keeps its answers from pages of this origin.
 */
export async function diagnoseFetch(address: URL, fetch: typeof globalThis.fetch): Promise<string | undefined> {
  const page = browserPage();
  if (page === undefined || page.origin === address.origin) return undefined;
  if (page.url.startsWith("https:") && address.protocol === "http:" && !isLoopback(address.hostname)) {
    return "a page that was loaded over https:// may not call an address with http://: serve Streamkit with TLS";
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
