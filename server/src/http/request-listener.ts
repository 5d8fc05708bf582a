import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Accounts } from "../budgets/account.ts";
import { peerKey } from "../budgets/peer.ts";
import { hostCheck, parseHostname } from "./authority.ts";
import { ConnectionAccounts } from "./connection-accounts.ts";
import { applyCors, type Fallback, type RequestListener } from "./cors.ts";
import { type AllowedOrigins, isForeignOrigin } from "./cors-rules.ts";
import type { DirectCalls } from "./direct/direct-calls.ts";
import type { Handlers } from "./handlers.ts";
import { healthAnswer, type Readiness } from "./health-paths.ts";
import { isHttp1Only, requireHttp1 } from "./http1-only.ts";
import type { OpenCalls } from "./open-calls.ts";
import { refuse } from "./refuse.ts";
import { RequestBody } from "./request-body.ts";
import { respond } from "./respond.ts";

export interface RequestListenerOptions {
  readonly handlers: Handlers;
  readonly accounts: Accounts;
  /** Answers the calls that need none of Connect's handlers. Default: all calls go through the handlers. */
  readonly direct?: DirectCalls | undefined;
  readonly calls: OpenCalls;
  /** Host names that the server answers to; see `hostCheck`. */
  readonly allowedHosts: readonly string[] | "*" | undefined;
  /** Origins that may call from a browser. */
  readonly origins: AllowedOrigins | undefined;
  /** Serves `/healthz` and `/readyz`. Absent: their paths are no different from others. */
  readonly readiness?: (() => Readiness) | undefined;
  /** Answers requests for other paths. Default: the next middleware if there is one, otherwise 404. */
  readonly fallback?: Fallback | undefined;
  /** Told of requests that are refused before they reach a method, and of defects. */
  readonly onRefused: (message: string) => void;
  readonly onDefect: (error: unknown) => void;
}

const BODY_USED =
  "the body of the request was read before streamkit.handler(): mount streamkit.handler() before any body parser";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/**
 * Serves the routes of a Connect router to Node's http and http2 servers. Whatever the bytes of a request are, the
 * listener answers or closes the connection; it throws nothing.
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
      if (fallback !== undefined) {
        if (http1Only && "stream" in request) return requireHttp1(request);
        return fallback(request as Parameters<Fallback>[0], response as Parameters<Fallback>[1]);
      }
      if (next !== undefined) return next();
    }
    // Only here: whom the application's own pages let in is the application's affair.
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
      // Failures of calls are answers. What is left is a connection that broke, with nobody to tell, or a defect.
      if (!isGone(request)) onDefect(error);
      response.destroy();
    });
  };

  return (request, response, next) => {
    try {
      // Without a listener, the error of a connection that breaks would end the process.
      request.on("error", () => undefined);
      response.on("error", () => undefined);
      serve(request, response, next);
    } catch (error) {
      onDefect(error);
      response.destroy();
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
  contextValues.set(peerKey, { account: connections.of(request) });
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
    // Nothing of a unary call waits for the signal once its answer is handed over.
    if (streaming || !response.writableEnded) gone.abort(new ConnectError("the client ended the call", Code.Canceled));
  });
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    // Only path and query matter to handlers. The name that the client used was checked, and is not needed.
    url: `http://streamkit.invalid${request.url}`,
    header: toWebHeaders(request.headers),
    body: new RequestBody(request),
    signal: gone.signal,
    contextValues,
  };
}

function toWebHeaders(headers: Request["headers"]): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const item of Array.isArray(value) ? value : [value]) result.append(name, item);
  }
  return result;
}

/**
 * Why a request for an RPC must not reach it: it names no host, or one that is not this server, or comes from a foreign
 * page.
 */
function reasonToRefuse(
  request: Request,
  isKnownHost: (hostname: string) => boolean,
  origins: AllowedOrigins | undefined,
): { readonly status: number; readonly message: string } | undefined {
  const authority = ("authority" in request ? request.authority : undefined) || request.headers.host;
  const hostname = parseHostname(authority);
  if (authority === undefined || hostname === undefined) {
    return { status: 400, message: `the request names the host ${shown(authority)}; expected a host, or host:port` };
  }
  if (!isKnownHost(hostname)) {
    const message = `this server does not answer to the host name ${shown(hostname)}; allow it with --allowed-host or allowedHosts`;
    return { status: 403, message };
  }
  const { origin } = request.headers;
  if (isForeignOrigin(origin, authority, origins)) {
    const message = `pages of ${shown(origin)} must not call this server; allow them with --cors-origin or cors`;
    return { status: 403, message };
  }
  return undefined;
}

/** Text of a stranger, made safe for logs and short. */
function shown(text: string | undefined): string {
  return text === undefined ? "(none)" : JSON.stringify(text.slice(0, 100));
}

function answerText(request: Request, response: Response, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  if ("stream" in request === false && !request.complete) response.setHeader("connection", "close");
  (response as ServerResponse).end(request.method === "HEAD" ? undefined : text);
}

function isGone(request: Request): boolean {
  return "stream" in request ? request.stream.destroyed : request.socket.destroyed;
}
