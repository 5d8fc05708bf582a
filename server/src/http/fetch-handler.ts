import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type AllowedOrigins, corsAnswer, isForeignOrigin } from "./cors-rules.ts";
import type { Handlers } from "./handlers.ts";
import type { OpenCalls } from "./open-calls.ts";

/** Answers a request of the Fetch API, as Hono, Next.js, Bun, Deno and workers expect. */
export type FetchHandler = (request: Request) => Promise<Response>;

export interface FetchHandlerOptions {
  readonly handlers: Handlers;
  readonly calls: OpenCalls;
  /** Origins whose pages may call from a browser. */
  readonly origins: AllowedOrigins | undefined;
  /** Receives a message for each request that is refused before it reaches a method. */
  readonly onRefused: (message: string) => void;
  /** Receives the error of each call that failed by a defect of the server. */
  readonly onDefect: (error: unknown) => void;
}

const GRPC = /^application\/grpc(?!-web)/i;
const NO_GRPC =
  "a fetch handler cannot send the trailers of gRPC: call it with Connect or gRPC-Web, or serve gRPC with streamkit.handler() or streamkit.listen()";
const BODY_USED =
  "the body of the request was read before streamkit.fetch(): call streamkit.fetch() before any body parser";

/** Creates a fetch handler that serves Connect and gRPC-Web. The code imports nothing of Node.js. */
export function createFetchHandler(options: FetchHandlerOptions): FetchHandler {
  const { handlers, calls, origins, onRefused, onDefect } = options;
  return async (request) => {
    const { host: addressHost, pathname } = new URL(request.url);
    const origin = request.headers.get("origin") ?? undefined;
    const { headers, preflight } = corsAnswer({ method: request.method, origin }, origins);
    if (preflight) return new Response(null, { status: 204, headers });
    const handler = handlers.get(pathname);
    if (handler === undefined) return new Response(null, { status: 404, headers });
    // Behind a proxy, some hosts write their own name into the address. The header has the name that the client used.
    if (isForeignOrigin(origin, request.headers.get("host") ?? addressHost, origins)) {
      const message = `pages of ${JSON.stringify(origin?.slice(0, 100))} must not call this server; allow them with cors`;
      onRefused(message);
      return connectError(403, Code.PermissionDenied, message, headers);
    }
    if (GRPC.test(request.headers.get("content-type") ?? "")) return grpcRefusal(headers);
    if (request.bodyUsed) return connectError(500, Code.Internal, BODY_USED, headers);
    if (request.signal.aborted) return aborted(headers);

    const call = new Call(request.signal, calls.open());
    try {
      const answer = await handler({
        httpVersion: "", // unknown here; a host that cannot stream both ways at once ends a Produce call by itself
        method: request.method,
        url: request.url,
        header: request.headers,
        body: bytesOf(request.body),
        signal: call.signal,
      });
      return call.respond(answer, headers);
    } catch (error) {
      // A failed call is an answer. An error that arrives here is an aborted request or a defect.
      call.end(error);
      if (request.signal.aborted) return aborted(headers);
      onDefect(error);
      return connectError(500, Code.Internal, "the call failed because of a defect of the server", headers);
    }
  };
}

/** One call. It ends when the host has read or cancelled its response, or when the request is aborted. */
class Call {
  readonly #controller = new AbortController();
  readonly #request: AbortSignal;
  readonly #onAbort = () => this.end(this.#request.reason);

  /** @param onEnd called once, when the host has taken the whole response or the call was aborted */
  constructor(request: AbortSignal, onEnd: () => void) {
    this.#request = request;
    // The host needs one turn of the event loop to send the last chunk that it took.
    this.signal.addEventListener("abort", () => setTimeout(onEnd), { once: true });
    // The signal may live much longer than the call, so `end` removes this listener.
    request.addEventListener("abort", this.#onAbort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Tells the handler that nobody reads the response any more. A second call has no effect. */
  end(reason?: unknown): void {
    this.#request.removeEventListener("abort", this.#onAbort);
    if (this.signal.aborted) return;
    this.#controller.abort(ConnectError.from(reason ?? "the call has ended", Code.Canceled));
  }

  respond({ status, header, body }: UniversalServerResponse, extra: Readonly<Record<string, string>>): Response {
    const headers = new Headers(header);
    for (const [name, value] of Object.entries(extra)) headers.append(name, value);
    if (body === undefined) this.end();
    return new Response(body === undefined ? null : this.#stream(body), { status, headers });
  }

  /** Asks the handler for the next chunk only when the host asks for one. A paused reader costs one chunk. */
  #stream(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
    const chunks = body[Symbol.asyncIterator]();
    // Closes the resources of the handler. A failure has no reader any more.
    const close = () => chunks.return?.().catch(() => undefined);
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const onEnd = () => {
            controller.error(this.signal.reason);
            void close();
          };
          if (this.signal.aborted) onEnd();
          else this.signal.addEventListener("abort", onEnd, { once: true });
        },
        pull: async (controller) => {
          try {
            const { done, value } = await chunks.next();
            if (this.signal.aborted) return;
            if (!done) return controller.enqueue(value);
            controller.close();
            this.end();
          } catch (error) {
            this.end(error);
          }
        },
        cancel: (reason) => this.end(reason),
      },
      { highWaterMark: 0 },
    );
  }
}

/**
 * Reads a body in chunks. The host discards the unread rest, because the host knows the connection. Cancelling the body
 * would make some hosts end the connection before they have sent the response.
 */
function bytesOf(body: ReadableStream<Uint8Array> | null): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const reader = body?.getReader();
      return {
        async next() {
          const { done = true, value } = (await reader?.read()) ?? {};
          return done || value === undefined ? { done: true, value: undefined } : { done: false, value };
        },
      };
    },
  };
}

/**
 * Answers 415, as gRPC asks of servers that do not speak it. Some clients show the body and others the header. A status
 * of 200 with the gRPC status in the headers would reach only clients whose host ends the stream together with the
 * headers.
 */
function grpcRefusal(headers: Readonly<Record<string, string>>): Response {
  return new Response(`${NO_GRPC}\n`, {
    status: 415,
    headers: {
      ...headers,
      "content-type": "text/plain",
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": encodeURIComponent(NO_GRPC).replaceAll("%20", " "),
    },
  });
}

/** Answers an aborted request. No client receives the answer, but a host expects one. */
function aborted(headers: Readonly<Record<string, string>>): Response {
  return connectError(499, Code.Canceled, "the request was aborted", headers);
}

function connectError(
  status: number,
  code: Code,
  message: string,
  headers: Readonly<Record<string, string>>,
): Response {
  return Response.json({ code: codeToString(code), message }, { status, headers });
}
