import { once } from "node:events";
import { Agent, createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { count, type Exchange, type WireCounts, zeroWireCounts } from "./wire-counts.ts";

/** A proxy in front of a table service. It counts the traffic, and can add a delay. */
export interface CountingProxy {
  readonly port: number;
  /** The traffic so far. Copy the counts to compare them later. */
  readonly counts: Readonly<WireCounts>;
  /** Delay of each request from now on, in milliseconds: half before the request, half before the answer. */
  delayMillis: number;
  close(): Promise<void>;
}

/**
 * Starts a proxy on a free port of the loopback interface, in this process.
 *
 * @param observe receives every exchange as well
 */
export async function startCountingProxy(
  targetPort: number,
  observe: (exchange: Exchange) => void = () => {},
): Promise<CountingProxy> {
  const counts = zeroWireCounts();
  const agent = new Agent({ keepAlive: true });

  /** Resolves with `undefined` if either side is gone. */
  async function forward(incoming: IncomingMessage) {
    const requestBody = await bodyOf(incoming);
    const there = Math.ceil(proxy.delayMillis / 2);
    if (there > 0) await delay(there);
    const { method, url: path, headers } = incoming;
    const outgoing = httpRequest({ host: "127.0.0.1", port: targetPort, method, path, headers, agent });
    outgoing.end(requestBody);
    const [answer]: IncomingMessage[] = await once(outgoing, "response");
    const responseBody = await bodyOf(answer!);
    return {
      method: method!,
      path: path!,
      requestBody,
      status: answer!.statusCode!,
      headers: answer!.headers,
      responseBody,
    };
  }

  const server = createServer(async (incoming, response) => {
    const exchange = await forward(incoming).catch(() => undefined);
    // The other side sees a broken connection, as it would without a proxy.
    if (exchange === undefined) return response.destroy();
    count(counts, exchange);
    observe(exchange);
    const back = Math.floor(proxy.delayMillis / 2);
    if (back > 0) await delay(back);
    response.writeHead(exchange.status, exchange.headers).end(exchange.responseBody);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: CountingProxy = {
    port: (server.address() as AddressInfo).port,
    counts,
    delayMillis: 0,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
      agent.destroy();
    },
  };
  return proxy;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
