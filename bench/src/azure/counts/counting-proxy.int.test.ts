import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.ts";

let target: Server;
let proxy: CountingProxy;
let seen: string[];

beforeEach(async () => {
  seen = [];
  target = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
    response.writeHead(202, { "x-answer": "yes" }).end("HTTP/1.1 204 No Content\r\n");
  }).listen(0, "127.0.0.1");
  await once(target, "listening");
  proxy = await startCountingProxy((target.address() as AddressInfo).port);
});

afterEach(async () => {
  await proxy.close();
  target.close();
  target.closeAllConnections();
});

const send = () =>
  fetch(`http://127.0.0.1:${proxy.port}/account/$batch?a=%20b`, {
    method: "POST",
    headers: { authorization: "me" },
    body: "PUT http://h/t HTTP/1.1",
  });

describe("the counting proxy", () => {
  it("passes on requests and answers unchanged, and counts them", async () => {
    const response = await send();
    expect([response.status, response.headers.get("x-answer")]).toEqual([202, "yes"]);
    expect(await response.text()).toBe("HTTP/1.1 204 No Content\r\n");
    expect(seen).toEqual(["POST /account/$batch?a=%20b me PUT http://h/t HTTP/1.1"]);
    expect(proxy.counts).toMatchObject({ commits: 1, rowsWritten: 1, requestBytes: 23, responseBytes: 25 });
  });

  it("adds the configured delay", async () => {
    proxy.delayMillis = 40;
    const start = performance.now();
    await send();
    // Timers may fire a fraction of a millisecond early.
    expect(performance.now() - start).toBeGreaterThan(38);
  });

  it("breaks the connection when the service is gone", async () => {
    target.close();
    target.closeAllConnections();
    await expect(send()).rejects.toThrow();
    expect(proxy.counts.commits).toBe(0);
  });

  it("continues after a client has left", async () => {
    const socket = connect(proxy.port, "127.0.0.1");
    socket.write("POST /account/$batch HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf");
    await once(socket, "connect");
    socket.destroy();
    expect((await send()).status).toBe(202);
  });
});
