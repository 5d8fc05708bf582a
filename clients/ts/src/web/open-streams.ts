import type { Interceptor } from "@connectrpc/connect";
import { browserPage } from "./page.ts";

/** Something that is no failure, and that makes an application slow or silent. */
export interface TransportWarning {
  readonly kind: "too-many-streams";
  /** What happens, and what to do. */
  readonly message: string;
}

/** Connections that browsers open to one server over HTTP/1.1, for all pages together. An open stream takes one. */
const MAX_HTTP1_CONNECTIONS = 6;

/** Open streams of this page, by the origin of their server: browsers count so, for all libraries. */
const openStreams = new Map<string, number>();

/** Counts streams while they are open, and warns once when they leave no connection for other calls. */
export function warnOfManyStreams(address: URL, onWarning: (warning: TransportWarning) => void): Interceptor {
  const { origin } = address;
  let warned = false;
  const add = (count: number) => openStreams.set(origin, (openStreams.get(origin) ?? 0) + count);
  return (next) => (request) => {
    if (!request.stream || browserPage() === undefined) return next(request);
    add(1);
    // Connect aborts the signal of a call when it is over, however it ended.
    request.signal.addEventListener("abort", () => add(-1), { once: true });
    const open = openStreams.get(origin) ?? 0;
    if (!warned && open >= MAX_HTTP1_CONNECTIONS && isHttp1(address)) {
      warned = true;
      onWarning({ kind: "too-many-streams", message: textOf(origin, open) });
    }
    return next(request);
  };
}

/** Browsers speak HTTP/2 with TLS only; what was agreed on with TLS they tell for calls that have ended. */
function isHttp1({ protocol, origin }: URL): boolean {
  if (protocol === "http:") return true;
  const entries = globalThis.performance?.getEntriesByType?.("resource") ?? [];
  const latest = entries.findLast((entry) => entry.name.startsWith(`${origin}/`));
  return (latest as PerformanceResourceTiming | undefined)?.nextHopProtocol === "http/1.1";
}

function textOf(origin: string, open: number): string {
  return `Streamkit: ${open} streams are open to ${origin} over HTTP/1.1, and a browser opens ${MAX_HTTP1_CONNECTIONS} connections at most: further calls wait until a stream ends. Serve it with TLS and HTTP/2, or follow fewer segments, for example their space. See docs/browsers.md`;
}
