/** A proxy in front of Azurite that does to requests what networks and a busy Azure do. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to one request. */
export type Fault =
  /** The connection breaks; Azure never sees the request. */
  | { readonly kind: "reset-before" }
  /** Azure does what was asked; the connection breaks before its answer arrives. */
  | { readonly kind: "reset-after" }
  /** The connection breaks at once, and Azure does what was asked once the promise resolves. */
  | { readonly kind: "land-late"; readonly until: Promise<unknown> }
  /** Nobody ever answers; Azure never sees the request. */
  | { readonly kind: "hang" }
  /** An answer of Azure's front end, which does not do what was asked. */
  | { readonly kind: "refuse"; readonly status: number; readonly code: string; readonly retryAfter?: string }
  /** Azure gets the request once the promise resolves; the client waits. */
  | { readonly kind: "after"; readonly until: Promise<unknown> }
  /** Azure does what was asked at once; the client gets the answer once the promise resolves. */
  | { readonly kind: "answer-after"; readonly until: Promise<unknown> }
  /** The marker of a store is written as a later version of Streamkit may write it. */
  | { readonly kind: "newer-layout" }
  /** A page without entities and with a continuation token; what it leads to is the page that was asked for. */
  | { readonly kind: "empty-page" };

export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
  /** An entity group transaction. */
  readonly isTransaction: boolean;
  /** A query for entities, not a point read. */
  readonly isQuery: boolean;
  readonly body: string;
  /** What Azure answered, whether or not the client learns it; pending as long as Azure has not seen the request. */
  readonly answer: Promise<string>;
}

export interface FaultProxy {
  readonly port: number;
  /** All requests since the last call. */
  takeRequests(): ProxiedRequest[];
  /** Asked about each request, until replaced. */
  script(fault: (request: ProxiedRequest) => Fault | undefined): void;
  /** Resolves when a request of this script that was to land late has been done. */
  landed(): Promise<void>;
  /** Resolves when all requests that have arrived so far are over, also those that nobody waits for any more. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** A fault for the first request that matches. */
export function firstOf(matches: (request: ProxiedRequest) => boolean, fault: Fault) {
  let used = false;
  return (request: ProxiedRequest) => {
    if (used || !matches(request)) return undefined;
    used = true;
    return fault;
  };
}

const emptyPageToken = "1!4!none";

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  let script: (request: ProxiedRequest) => Fault | undefined = () => undefined;
  let requests: ProxiedRequest[] = [];
  let landed = Promise.withResolvers<void>();
  const pending = new Set<Promise<void>>();

  const server = createServer((incoming, response) => {
    // Who asked may be gone: a server that was killed, or gave up waiting. That breaks its connection, and nothing
    // else.
    proxied(incoming, response).catch(() => response.destroy());
  });

  async function proxied(incoming: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const url = incoming.url!;
    const answered = Promise.withResolvers<string>();
    const request = {
      method: incoming.method!,
      url: decodeURIComponent(url),
      isTransaction: url.includes("/$batch"),
      isQuery: incoming.method === "GET" && url.includes("()"),
      body: body.toString(),
      answer: answered.promise,
    };
    requests.push(request);
    const forward = async (changed: Buffer = body) => {
      const result = await forwarded(incoming, changed);
      answered.resolve(result.answer.toString());
      return result;
    };
    const applied = apply(script(request), forward, body, response);
    pending.add(applied);
    await applied.finally(() => pending.delete(applied));
  }

  async function apply(
    fault: Fault | undefined,
    forward: (body?: Buffer) => ReturnType<typeof forwarded>,
    body: Buffer,
    response: ServerResponse,
  ): Promise<void> {
    switch (fault?.kind) {
      case undefined:
        return pass(await forward(), response);
      case "after":
        await fault.until;
        return pass(await forward(), response);
      case "answer-after": {
        const result = await forward();
        await fault.until;
        return pass(result, response);
      }
      case "newer-layout": {
        const changed = Buffer.from(body.toString().replace('"layout":"1"', '"layout":"2"'));
        return pass(await forward(changed), response);
      }
      case "reset-before":
        response.destroy();
        return;
      case "reset-after":
        await forward();
        response.destroy();
        return;
      case "land-late":
        response.destroy();
        await fault.until;
        await forward();
        landed.resolve();
        return;
      case "hang":
        return;
      case "refuse": {
        const retryAfter = fault.retryAfter === undefined ? {} : { "retry-after": fault.retryAfter };
        response.writeHead(fault.status, { "content-type": "application/json", ...retryAfter });
        const message = { lang: "en-US", value: "The server refuses, says a test." };
        response.end(JSON.stringify({ "odata.error": { code: fault.code, message } }));
        return;
      }
      case "empty-page":
        response.writeHead(200, {
          "content-type": "application/json;odata=minimalmetadata",
          "x-ms-continuation-NextPartitionKey": emptyPageToken,
          "x-ms-continuation-NextRowKey": emptyPageToken,
        });
        response.end(JSON.stringify({ "odata.metadata": "", value: [] }));
    }
  }

  function pass({ status, headers, answer }: Awaited<ReturnType<typeof forwarded>>, response: ServerResponse): void {
    response.writeHead(status, headers).end(answer);
  }

  async function forwarded(incoming: IncomingMessage, body: Buffer) {
    const url = new URL(incoming.url!, "http://127.0.0.1");
    for (const name of ["NextPartitionKey", "NextRowKey"]) {
      if (url.searchParams.get(name) === emptyPageToken) url.searchParams.delete(name);
    }
    const outgoing = httpRequest({
      host: "127.0.0.1",
      port: targetPort,
      method: incoming.method,
      path: url.pathname + url.search,
      headers: incoming.headers,
    });
    outgoing.end(body);
    const [answer]: IncomingMessage[] = await once(outgoing, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of answer!) chunks.push(chunk);
    return { status: answer!.statusCode!, headers: answer!.headers, answer: Buffer.concat(chunks) };
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    takeRequests() {
      const taken = requests;
      requests = [];
      return taken;
    },
    script(next) {
      script = next;
      landed = Promise.withResolvers();
    },
    landed: () => landed.promise,
    async settled() {
      await Promise.allSettled(pending);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
