import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";

/** The handler of each RPC, by the path of its requests. */
export type Handlers = ReadonlyMap<string, UniversalHandler>;

export interface HandlersOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Largest message that a handler accepts, in bytes. */
  readonly readMaxBytes: number;
}

/** Creates the handlers of all RPCs that `routes` mounts. */
export function createHandlers({ routes, readMaxBytes }: HandlersOptions): Handlers {
  // Compression between Streamkit peers costs more than it saves on fast networks: docs/architecture.md.
  const router = createConnectRouter({ acceptCompression: [], readMaxBytes });
  routes(router);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}
