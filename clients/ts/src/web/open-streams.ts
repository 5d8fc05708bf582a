import type { Interceptor } from "@connectrpc/connect";
import { browserPage } from "./page.ts";

/** A condition that makes an application slow or silent, without a failed call. */
export interface TransportWarning {
  readonly kind: "too-many-streams";
  /** Says what happens, and what to do. */
  readonly message: string;
}

/**
 * Most connections that browsers open to one server over HTTP/1.1, for all pages together. Each open stream takes one.
 */
const MAX_HTTP1_CONNECTIONS = 6;

/** Number of open streams of this page by origin of the server. Browsers count connections by origin, too. */
const OPEN_STREAMS = new Map<string, number>();

/** Counts streams while they are open, and warns once when they leave no connection for other calls. */
export function warnOfManyStreams(address: URL, onWarning: (warning: TransportWarning) => void): Interceptor {
  const { origin } = address;
  let warned = false;
  const add = (count: number) => OPEN_STREAMS.set(origin, (OPEN_STREAMS.get(origin) ?? 0) + count);
  return (next) => (request) => {
    if (!request.stream || browserPage() === undefined) return next(request);
    add(1);
    // Connect aborts the signal of every call at its end.
    request.signal.addEventListener("abort", () => add(-1), { once: true });
    const open = OPEN_STREAMS.get(origin) ?? 0;
    if (!warned && open >= MAX_HTTP1_CONNECTIONS && isHttp1(address)) {
      warned = true;
      onWarning({ kind: "too-many-streams", message: textOf(origin, open) });
    }
    return next(request);
  };
}

/** True if calls use HTTP/1.1. Browsers speak HTTP/2 with TLS only, and tell the version of calls that have ended. */
function isHttp1({ protocol, origin }: URL): boolean {
  if (protocol === "http:") return true;
  const entries = globalThis.performance?.getEntriesByType?.("resource") ?? [];
  const latest = entries.findLast((entry) => entry.name.startsWith(`${origin}/`));
  return (latest as PerformanceResourceTiming | undefined)?.nextHopProtocol === "http/1.1";
}

function textOf(origin: string, open: number): string {
  return `Streamkit: ${open} streams are open to ${origin} over HTTP/1.1, and a browser opens ${MAX_HTTP1_CONNECTIONS} connections at most: further calls wait until a stream ends. Serve it with TLS and HTTP/2, or follow fewer segments, for example their space. See docs/browsers.md`;
}
