/**
 * Pages of strangers: host names that were rebound to the address of this machine, and origins without permission (M8).
 */
import { ErrorReason } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "../../src/index.ts";
import { exchange } from "./raw.ts";

const storeId = "11111111-2222-4333-8444-555555555555";
const APPEND = "/streamkit.v1.StreamService/Append";

let streamkit: Streamkit;
let listener: Listener;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage(), cors: ["https://app.example"] });
  listener = await streamkit.listen({ port: 0, allowedHosts: ["streams.example"] });
});
afterAll(() => streamkit.close());

async function post(headers: Record<string, string>, path = APPEND): Promise<{ status: number; body: string }> {
  const appends = [{ segment: "s", records: [{ payload: "" }] }];
  const body = JSON.stringify({ storeId, space: "s", appends });
  const lines = Object.entries({
    "content-type": "application/json",
    "content-length": String(body.length),
    connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = await exchange(listener.url, `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  return { status: Number(text.split(" ")[1]), body: text };
}

const size = async () => (await (await fetchStatus()).json()).status?.lastSequence ?? "0";
const fetchStatus = () =>
  fetch(`${listener.url}/streamkit.v1.StreamService/GetSegmentStatus`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ storeId, space: "s", segment: "s" }),
  });

describe("a host name", () => {
  it.each([
    "attacker.example",
    "attacker.example:8080",
    "localhost.attacker.example",
    "127.0.0.1.attacker.example",
    "localhost.",
  ])("%s that is not configured is refused, and nothing is written", async (host) => {
    const before = await size();
    const { status, body } = await post({ host });
    expect(status).toBe(403);
    expect(body).toMatch(/does not answer to the host name .*--allowed-host/);
    expect(await size()).toBe(before);
  });

  it.each([
    "localhost",
    "LOCALHOST:80",
    "127.0.0.1:8080",
    "[::1]",
    "[::1]:80",
    "10.1.2.3",
    "streams.example",
    "Streams.Example:443",
  ])("%s is answered", async (host) => {
    expect((await post({ host })).status).toBe(200);
  });
});

describe("an origin", () => {
  it.each([
    ["https://evil.example", "localhost"],
    ["http://localhost:3000", "localhost:8080"],
    ["https://localhost", "localhost:8080"],
    ["null", "localhost"],
    ["file://", "localhost"],
    ["https://app.example.evil.example", "localhost"],
    ["x", "localhost"],
  ])("%s is refused at %s, even for requests without a preflight", async (origin, host) => {
    const before = await size();
    for (const type of ["application/json", "text/plain", "application/proto"]) {
      const { status, body } = await post({ host, origin, "content-type": type });
      expect(status).toBe(403);
      expect(body).toMatch(/must not call this server/);
    }
    expect(await size()).toBe(before);
  });

  it.each([
    ["https://app.example", "localhost"],
    ["http://localhost:8080", "localhost:8080"],
    ["https://streams.example", "streams.example"],
    ["http://streams.example", "streams.example:80"],
  ])("%s is answered at %s", async (origin, host) => {
    expect((await post({ host, origin })).status).toBe(200);
  });
});

describe("health paths", () => {
  it.each(["attacker.example", "localhost"])("answer for any host: %s", async (host) => {
    for (const path of ["/healthz", "/readyz", "/healthz?probe=1"]) {
      const text = await exchange(listener.url, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  it("report that the server is shutting down", async () => {
    const other = createStreamkit({ storage: memoryStorage() });
    const { url } = await other.listen({ port: 0 });
    expect((await fetch(`${url}/readyz`, { method: "HEAD" })).status).toBe(200);
    await other.close();
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
  });
});

it("counts refusals by the reason that callers got", async () => {
  await using other = createStreamkit({ storage: memoryStorage(), limits: { streams: 1 }, onEvent: () => undefined });
  const { url } = await other.listen({ port: 0 });
  const call = (method: string, type: string, body: string) =>
    fetch(`${url}/streamkit.v1.${method}`, { method: "POST", headers: { "content-type": type }, body });
  await call("StreamService/Append", "application/json", "{");
  await call("StreamService/Append", "application/proto", "\u0007");
  await call("StreamService/GetSpaceStatus", "application/json", "{}");
  await call("StoreService/GetStore", "application/json", JSON.stringify({ storeId }));
  await call("StreamService/GetSpaceStatus", "application/json", `"${"x".repeat(200_000)}"`);
  const { refusals } = other.counts();
  expect(Object.fromEntries([...refusals].map(([reason, count]) => [ErrorReason[reason], count]))).toEqual({
    INVALID_FIELD: 3,
    NOT_FOUND: 1,
    REQUEST_TOO_LARGE: 1,
  });
});
