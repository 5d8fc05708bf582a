/**
 * A server for the fuzzers, in a process of its own. On request it reports the resources that it holds. Start it with
 * `fork` and --expose-gc.
 */
import { createStreamkit, formatEvent, memoryStorage } from "../../src/index.ts";

/** The resources of the process between calls. */
export interface Holdings {
  readonly timers: number;
  readonly sockets: number;
  /** Bytes of live objects and buffers, after a garbage collection. */
  readonly bytes: number;
}

const streamkit = createStreamkit({
  storage: memoryStorage(),
  limits: { requestMillis: 2_000, headerMillis: 2_000 },
  onEvent: (event) => {
    if (event.kind === "internal-error" || event.kind === "uncaught")
      process.send?.({ defect: formatEvent(event, "text") });
  },
});
const { url } = await streamkit.listen({ port: 0 });

function holdings(): Holdings {
  globalThis.gc?.();
  const resources = process.getActiveResourcesInfo();
  const { heapUsed, external } = process.memoryUsage();
  return {
    timers: resources.filter((name) => name === "Timeout").length,
    sockets: resources.filter((name) => name === "TCPSocketWrap").length,
    bytes: heapUsed + external,
  };
}

process.on("message", (message) => {
  if (message === "holdings") process.send?.({ holdings: holdings() });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ url });
