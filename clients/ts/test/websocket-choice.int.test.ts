import { randomUUID } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Transport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import { createStreamkitClient, type RetryOptions, transportDescription } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";
import { createWebTransport } from "../src/web.ts";
import { type RunningServer, startServer } from "./peers.ts";

const RETRY = { initialDelayMillis: 1, maxDelayMillis: 20, maxAttempts: 100 };

/** The same server for calls over HTTP, without upgrades: each one ends with this status. */
async function withoutUpgrades({ streamkit }: RunningServer, status: number) {
  const http = createServer(streamkit.handler() as RequestListener);
  const sockets = new Set<Socket>();
  let upgrades = 0;
  http.on("connection", (socket: Socket) => sockets.add(socket));
  http.on("upgrade", (_, socket) => {
    upgrades += 1;
    socket.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return {
    port,
    get upgrades() {
      return upgrades;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function use(transport: Transport, retry: RetryOptions = RETRY) {
  const space = createStreamkitClient({ transport, retry }).store(randomUUID()).space("s");
  return { segment: space.segment("a"), protocol: () => transportDescription(transport)?.protocol?.() };
}

const record = Uint8Array.of(1);

test("auto takes a WebSocket over plain http", async () => {
  await using server = await startServer();
  const { segment, protocol } = use(createWebTransport({ baseUrl: server.listener.url, protocol: "auto" }));
  expect(protocol()).toBeUndefined();
  expect(await segment.produce([record, record])).toMatchObject({ records: 2 });
  expect(protocol()).toBe("websocket");
  const following = segment.follow()[Symbol.asyncIterator]();
  expect(await following.next()).toMatchObject({ value: { sequence: 1 } });
  await following.return?.();
});

test.each([400, 403, 404, 426, 502])(
  "auto takes fetch where upgrades are refused with %d, and stays there",
  async (status) => {
    await using server = await startServer();
    await using plain = await withoutUpgrades(server, status);
    const { segment, protocol } = use(
      createWebTransport({ baseUrl: `http://127.0.0.1:${plain.port}`, protocol: "auto" }),
    );
    await segment.publish(record);
    expect(protocol()).toBe("fetch");
    expect(await segment.produce([record, record])).toMatchObject({ records: 2 });
    for await (const entry of segment.consume()) expect(entry.payload).toEqual(record);
    expect(plain.upgrades).toBe(1);
  },
);

test("auto chooses again after an outage", async () => {
  await using server = await startServer();
  await using plain = await withoutUpgrades(server, 403);
  await using proxy = await flakyProxy(plain.port);
  const { segment, protocol } = use(createWebTransport({ baseUrl: proxy.url, protocol: "auto" }), { maxAttempts: 1 });
  await segment.publish(record);
  expect(protocol()).toBe("fetch");
  const outage = async () => {
    proxy.target = undefined;
    proxy.cut();
    await expect(segment.publish(record)).rejects.toMatchObject({ reason: "CONNECTION_LOST" });
    expect(protocol()).toBeUndefined();
  };
  await outage();
  proxy.target = server.listener.port;
  await segment.publish(record);
  expect(protocol()).toBe("websocket");
  await outage();
  proxy.target = plain.port;
  expect(await segment.publish(record)).toMatchObject({ firstSequence: 3 });
  expect(protocol()).toBe("fetch");
});

test("a WebSocket can be asked for by name, in both packages", async () => {
  await using server = await startServer();
  const baseUrl = server.listener.url;
  for (const create of [createWebTransport, createNodeTransport]) {
    const { segment, protocol } = use(create({ baseUrl, protocol: "websocket" }));
    expect(await segment.produce([record])).toMatchObject({ records: 1 });
    expect(protocol()).toBe("websocket");
    await expect(() => create({ baseUrl, protocol: "websocket", json: true })).toThrow("json");
  }
  expect(() => createNodeTransport({ baseUrl, protocol: "websocket", nodeOptions: {} })).toThrow("nodeOptions");
  expect(use(createWebTransport({ baseUrl })).protocol()).toBe("fetch");
});
