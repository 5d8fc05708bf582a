import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** A proxy that holds each response back until the server has ended it, as some proxies in company networks do. */
export interface BufferingProxy extends AsyncDisposable {
  readonly url: string;
  /** The port of this machine that calls lead to. */
  target: number;
  /** True for a proxy that passes responses on as they come. */
  passing: boolean;
  /** RPCs so far, in the order of their arrival. */
  readonly calls: string[];
  /** Calls that the server has not answered in full, by RPC. */
  readonly open: Map<string, number>;
}

/** Starts a proxy, over HTTP/1.1, in front of a port of this machine. */
export async function bufferingProxy(port: number): Promise<BufferingProxy> {
  const server = createServer((incoming, outgoing) => {
    const rpc = incoming.url?.split("/").at(-1) ?? "";
    const count = (more: number) => proxy.open.set(rpc, (proxy.open.get(rpc) ?? 0) + more);
    proxy.calls.push(rpc);
    count(1);
    const { method, url: path, headers } = incoming;
    const upstream = request({ host: "127.0.0.1", port: proxy.target, method, path, headers }, (response) => {
      const head = () => outgoing.writeHead(response.statusCode ?? 502, response.headers);
      const held: Buffer[] = [];
      if (proxy.passing) head();
      response.on("data", (chunk: Buffer) => (outgoing.headersSent ? outgoing.write(chunk) : held.push(chunk)));
      response.on("end", () => (outgoing.headersSent ? outgoing.end() : head().end(Buffer.concat(held))));
      response.on("error", () => outgoing.destroy());
    });
    upstream.on("error", () => outgoing.destroy());
    upstream.on("close", () => count(-1));
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: BufferingProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target: port,
    passing: false,
    calls: [],
    open: new Map(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
