import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Accounts } from "../budgets/account.ts";
import { peerKey } from "../budgets/peer.ts";
import { hostCheck } from "./authority.ts";
import { reasonToRefuse } from "./caller-check.ts";
import { closeWithSocket } from "./close-with-socket.ts";
import { ConnectionAccounts } from "./connection-accounts.ts";
import { applyCors, type Fallback, type RequestListener } from "./cors.ts";
import type { AllowedOrigins } from "./cors-rules.ts";
import type { DirectCalls } from "./direct/direct-calls.ts";
import type { Handlers } from "./handlers.ts";
import { healthAnswer, type Readiness } from "./health-paths.ts";
import { isHttp1Only, requireHttp1 } from "./http1-only.ts";
import type { OpenCalls } from "./open-calls.ts";
import { peerOf } from "./peer-certificate.ts";
import { refuse } from "./refuse.ts";
import { RequestBody } from "./request-body.ts";
import { toWebHeaders } from "./request-headers.ts";
import { respond } from "./respond.ts";
import { SOCKET_PATH } from "./upgrades.ts";

export interface RequestListenerOptions {
  readonly handlers: Handlers;
  readonly accounts: Accounts;
  /** Answers the calls that need no handler of Connect. Default: all calls go through the handlers. */
  readonly direct?: DirectCalls | undefined;
  readonly calls: OpenCalls;
  /** Host names that the server answers to; see `hostCheck`. */
  readonly allowedHosts: readonly string[] | "*" | undefined;
  /** Origins whose pages may call from a browser. */
  readonly origins: AllowedOrigins | undefined;
  /** Readiness for `/healthz` and `/readyz`. Default: the listener treats these paths like all others. */
  readonly readiness?: (() => Readiness) | undefined;
  /** Answers requests for other paths. Default: the next middleware if there is one, otherwise 404. */
  readonly fallback?: Fallback | undefined;
  /** Receives a message for each request that is refused before it reaches a method. */
  readonly onRefused: (message: string) => void;
  readonly onDefect: (error: unknown) => void;
}

const BODY_USED =
  "the body of the request was read before streamkit.handler(): mount streamkit.handler() before any body parser";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/**
 * Serves the handlers to Node's http and http2 servers. For every request, the listener answers or closes the
 * connection; it never throws.
 */
export function createRequestListener(options: RequestListenerOptions): RequestListener {
  const { accounts, handlers, fallback, onDefect } = options;
  const connections = new ConnectionAccounts(accounts);
  const http1Only = isHttp1Only(fallback);
  const isKnownHost = hostCheck(options.allowedHosts);

  const serve = (request: Request, response: Response, next: (() => void) | undefined) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (handler === undefined) {
      const health = options.readiness && healthAnswer(path, options.readiness);
      if (health !== undefined) return answerText(request, response, health.status, health.text);
      if (path === SOCKET_PATH) return requireUpgrade(request, response);
      if (fallback !== undefined) {
        if (http1Only && "stream" in request) return requireHttp1(request);
        return fallback(request as Parameters<Fallback>[0], response as Parameters<Fallback>[1]);
      }
      if (next !== undefined) return next();
    }
    // CORS applies to Streamkit's own paths only: the application decides about its own pages.
    if (applyCors(request, response, options.origins)) return;
    if (handler === undefined) {
      return answerText(request, response, 404, `no Streamkit method has the path ${JSON.stringify(path)}\n`);
    }
    const refusal = reasonToRefuse(request, isKnownHost, options.origins);
    if (refusal !== undefined) {
      options.onRefused(refusal.message);
      return refuse(request, response, refusal.status, refusal.message);
    }
    if (request.readableDidRead) return refuse(request, response, 500, BODY_USED);
    response.once("close", options.calls.open());
    const answered =
      options.direct?.(path, request, response, connections.of(request)) ??
      call(handler, request, response, connections);
    answered.catch((error) => {
      // A failed call is an answer. An error that arrives here is a broken connection or a defect.
      if (!isGone(request)) onDefect(error);
      response.destroy();
    });
  };

  const fail = (error: unknown, response: Response) => {
    onDefect(error);
    response.destroy();
  };

  return (request, response, next) => {
    try {
      // Without these listeners, the error of a broken connection would end the process.
      request.on("error", () => undefined);
      response.on("error", () => undefined);
      if (!("stream" in request)) closeWithSocket(response as ServerResponse, request.socket);
      const served: unknown = serve(request, response, next);
      // An application may answer with an async function. Node would end the process at its rejection.
      if (served instanceof Promise) served.catch((error) => fail(error, response));
    } catch (error) {
      fail(error, response);
    }
  };
}

async function call(
  handler: UniversalHandler,
  request: Request,
  response: Response,
  connections: ConnectionAccounts,
): Promise<void> {
  const contextValues = createContextValues();
  contextValues.set(peerKey, { account: connections.of(request), certificate: () => peerOf(request) });
  const streaming = handler.method.methodKind !== "unary";
  const answer = await handler(toUniversalRequest(request, response, contextValues, streaming));
  await respond(answer, request, response);
}

function toUniversalRequest(
  request: Request,
  response: Response,
  contextValues: UniversalServerRequest["contextValues"],
  streaming: boolean,
): UniversalServerRequest {
  const gone = new AbortController();
  response.once("close", () => {
    // No code of a unary call waits for the signal once the call has its answer.
    if (streaming || !response.writableEnded) gone.abort(new ConnectError("the client ended the call", Code.Canceled));
  });
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    // Handlers use only the path and the query. The listener has already checked the host.
    url: `http://streamkit.invalid${request.url}`,
    header: toWebHeaders(request.headers),
    body: new RequestBody(request),
    signal: gone.signal,
    contextValues,
  };
}

function answerText(request: Request, response: Response, status: number, text: string, type = "text/plain"): void {
  response.statusCode = status;
  response.setHeader("content-type", type === "text/plain" ? "text/plain; charset=utf-8" : type);
  if ("stream" in request === false && !request.complete) response.setHeader("connection", "close");
  (response as ServerResponse).end(request.method === "HEAD" ? undefined : text);
}

/** Answers a request for a WebSocket that lost its upgrade headers, for example in a proxy. */
function requireUpgrade(request: Request, response: Response): void {
  if ("stream" in request === false) response.setHeader("upgrade", "websocket");
  const message = `${SOCKET_PATH} takes upgrades to WebSocket only; a proxy in between must pass on Upgrade and Connection`;
  const body = JSON.stringify({ code: "failed_precondition", message });
  answerText(request, response, 426, body, "application/json");
}

function isGone(request: Request): boolean {
  return "stream" in request ? request.stream.destroyed : request.socket.destroyed;
}
