/** A proxy in front of Azurite that plays failures of the network and of a busy Azure. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The fault to play for one request. */
export type Fault =
  /** The connection breaks; Azure never sees the request. */
  | { readonly kind: "reset-before" }
  /** Azure handles the request; the connection breaks before the answer arrives. */
  | { readonly kind: "reset-after" }
  /** The connection breaks at once. Azure handles the request once the promise resolves. */
  | { readonly kind: "land-late"; readonly until: Promise<unknown> }
  /** No answer ever comes; Azure never sees the request. */
  | { readonly kind: "hang" }
  /** Azure's front end answers, without handling the request. */
  | { readonly kind: "refuse"; readonly status: number; readonly code: string; readonly retryAfter?: string }
  /** Azure gets the request once the promise resolves; the client waits. */
  | { readonly kind: "after"; readonly until: Promise<unknown> }
  /** Azure handles the request at once; the client gets the answer once the promise resolves. */
  | { readonly kind: "answer-after"; readonly until: Promise<unknown> }
  /** Writes the marker of a store as a later version of Streamkit might. */
  | { readonly kind: "newer-layout" }
  /** A page without entities and with a continuation token, which leads to the requested page. */
  | { readonly kind: "empty-page" };

export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
  /** True for an entity group transaction. */
  readonly isTransaction: boolean;
  /** True for a query for entities; false for a point read. */
  readonly isQuery: boolean;
  readonly body: string;
  /** Azure's answer, whether or not the client gets it. Pending until Azure has seen the request. */
  readonly answer: Promise<string>;
}

export interface FaultProxy {
  readonly port: number;
  /** All requests since the last call. */
  takeRequests(): ProxiedRequest[];
  /** Sets the function that selects a fault for each request, until the next call. */
  script(fault: (request: ProxiedRequest) => Fault | undefined): void;
  /** Resolves when Azure has handled a late request of this script. */
  landed(): Promise<void>;
  /** Resolves when all requests so far are over, including those that no client waits for any more. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** A script that plays a fault for the first matching request. */
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
    // The client may be gone: killed, or tired of waiting. That breaks its own connection only.
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
        const message = { lang: "en-US", value: "Refused by a test." };
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
