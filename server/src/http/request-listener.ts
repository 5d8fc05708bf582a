import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { RequestListener } from "./cors.ts";

export interface RequestListenerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Largest message that is read, in bytes. */
  readonly readMaxBytes: number;
  /** Answers requests for other paths. Default: 404. */
  readonly fallback?: RequestListener | undefined;
}

const notFound: RequestListener = (_request, response) => {
  response.statusCode = 404;
  response.end();
};

/**
 * Serves the routes of a Connect router. Connect's own adapter does the same, but writes to the console whenever a client
 * goes away in the middle of a response, which is no event worth a stack trace.
 */
export function createRequestListener({ routes, readMaxBytes, fallback }: RequestListenerOptions): RequestListener {
  // Compression between Streamkit peers costs more than it saves on fast networks: docs/architecture.md.
  const router = createConnectRouter({ acceptCompression: [], readMaxBytes });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath as string, handler]));
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) return (fallback ?? notFound)(request, response);
    handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // Failures of calls are answers; what is left is a connection that broke, and there is nobody to tell.
      .catch(() => response.destroy());
  };
}
