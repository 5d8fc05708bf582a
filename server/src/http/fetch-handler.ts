import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { type AllowedOrigins, corsAnswer, isForeignOrigin } from "./cors-rules.ts";
import type { Handlers } from "./handlers.ts";
import type { OpenCalls } from "./open-calls.ts";

/** Answers a request of the Fetch API: what Hono, Next.js, Bun, Deno and workers call. */
export type FetchHandler = (request: Request) => Promise<Response>;

export interface FetchHandlerOptions {
  readonly handlers: Handlers;
  readonly calls: OpenCalls;
  /** Origins that may call from a browser. */
  readonly origins: AllowedOrigins | undefined;
  /** Told of requests that are refused before they reach a method, and of defects. */
  readonly onRefused: (message: string) => void;
  readonly onDefect: (error: unknown) => void;
}

const GRPC = /^application\/grpc(?!-web)/i;
const NO_GRPC =
  "a fetch handler cannot send the trailers of gRPC: call it with Connect or gRPC-Web, or serve gRPC with streamkit.handler() or streamkit.listen()";
const BODY_USED =
  "the body of the request was read before streamkit.fetch(): call streamkit.fetch() before any body parser";

/** Serves calls of Connect and gRPC-Web as a fetch handler. The code imports nothing of Node.js. */
export function createFetchHandler(options: FetchHandlerOptions): FetchHandler {
  const { handlers, calls, origins, onRefused, onDefect } = options;
  return async (request) => {
    const { host: addressHost, pathname } = new URL(request.url);
    const origin = request.headers.get("origin") ?? undefined;
    const { headers, preflight } = corsAnswer({ method: request.method, origin }, origins);
    if (preflight) return new Response(null, { status: 204, headers });
    const handler = handlers.get(pathname);
    if (handler === undefined) return new Response(null, { status: 404, headers });
    // Behind a proxy some hosts write the address with a name of their own; the header has the name that the client
    // used.
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
        httpVersion: "", // Unknown here. A host that cannot stream both ways at once ends a Produce call by itself.
        method: request.method,
        url: request.url,
        header: request.headers,
        body: bytesOf(request.body),
        signal: call.signal,
      });
      return call.respond(answer, headers);
    } catch (error) {
      // Failures of calls are answers. What is left is a request that nobody waits for, or a defect.
      call.end(error);
      if (request.signal.aborted) return aborted(headers);
      onDefect(error);
      return connectError(500, Code.Internal, "the call failed by a defect of the server", headers);
    }
  };
}

/** One call: ends when its response was read or canceled, or when the request is aborted. */
class Call {
  readonly #controller = new AbortController();
  readonly #request: AbortSignal;
  readonly #onAbort = () => this.end(this.#request.reason);

  /** @param onEnd called once, when the host has taken the response or nobody waits for it */
  constructor(request: AbortSignal, onEnd: () => void) {
    this.#request = request;
    // The host still has to send what it took; that takes a turn of the event loop.
    this.signal.addEventListener("abort", () => setTimeout(onEnd), { once: true });
    // The signal may outlive the call by far, so `end` takes the listener off again.
    request.addEventListener("abort", this.#onAbort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Tells the handler that nobody waits for more. Harmless after its end. */
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

  /** Asks the handler for the next chunk only when the reader asks for one: a paused reader costs one chunk. */
  #stream(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
    const chunks = body[Symbol.asyncIterator]();
    // Closes what the handler has open. Its failure has no reader any more.
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
 * Reads a body chunk by chunk. What a handler leaves unread is the host's to throw away, who knows the connection: to
 * cancel the body would end the connection of some hosts before they have sent the response.
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
 * HTTP status 415, as gRPC asks of servers that do not speak it. Some clients show the body, others the header; a
 * status in the headers alone, with 200, reaches only clients whose host ends the stream together with the headers.
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

/** Nobody receives this answer, but a host expects one. */
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
