/** `streamkit.fetch` with requests of the Fetch API alone: without a port or a framework. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createTransport as createConnect } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWeb } from "@connectrpc/connect/protocol-grpc-web";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFetchHandler } from "../src/http/fetch-handler.ts";
import { createHandlers } from "../src/http/handlers.ts";
import { OpenCalls } from "../src/http/open-calls.ts";
import { createStreamkit, memoryStorage, type Streamkit } from "../src/index.ts";
import { fetchTransport } from "./fetch-transport.ts";

const ORIGIN = "https://streams.example";
const APP = "https://app.example";
const APPEND = `${ORIGIN}/streamkit.v1.StreamService/Append`;
const space = "s";
const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const append = { storeId, space, appends: [{ segment: "a", records: [{ payload: "AQI=" }] }] };

let streamkit: Streamkit;
beforeEach(() => {
  streamkit = createStreamkit({ storage: memoryStorage(), cors: [APP], limits: { streams: 1 } });
});
afterEach(() => streamkit.close());

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

const transportOf = (create: typeof createConnect, useBinaryFormat: boolean) =>
  fetchTransport(streamkit.fetch, { baseUrl: ORIGIN, create, useBinaryFormat });

const TRANSPORTS = [
  { name: "Connect", make: () => transportOf(createConnect, true) },
  { name: "Connect with JSON", make: () => transportOf(createConnect, false) },
  { name: "gRPC-Web", make: () => transportOf(createGrpcWeb, true) },
  { name: "gRPC-Web with JSON", make: () => transportOf(createGrpcWeb, false) },
];

describe.each(TRANSPORTS)("$name", ({ make }) => {
  it("appends, reads and follows", async () => {
    const client = createClient(StreamService, make());
    const write = (byte: number) =>
      client.append({ storeId, space, appends: [{ segment: "a", records: [{ payload: Uint8Array.of(byte) }] }] });
    expect((await write(1)).ranges[0].lastSequence).toBe(1n);
    const seen: number[] = [];
    for await (const { batches } of client.consumeSpace({ storeId, space, follow: true })) {
      for (const { records } of batches) for (const { payload } of records) seen.push(payload[0]);
      if (seen.length === 1) await write(2);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual([1, 2]);
    // The limit of one stream shows that leaving the loop has ended the call.
    await expect.poll(() => firstOf(client.consumeSpace({ storeId, space, follow: true }))).toBeDefined();
  });

  it("gives errors with their details", async () => {
    const client = createClient(StreamService, make());
    const error = await client
      .append({ storeId, space, appends: [{ segment: "a", expectedLastSequence: 7n, records: [{}] }] })
      .then(() => expect.unreachable(), ConnectError.from);
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.findDetails(ErrorDetailSchema)[0].reason).toBe(ErrorReason.SEQUENCE_MISMATCH);
  });

  it("ends streams with SHUTTING_DOWN when the instance is closed", async () => {
    const client = createClient(StreamService, make());
    const read = async () => {
      for await (const _ of client.consumeSpace({ storeId, space, follow: true })) void streamkit.close();
    };
    const error = await read().then(() => expect.unreachable(), ConnectError.from);
    expect(error.findDetails(ErrorDetailSchema)[0].reason).toBe(ErrorReason.SHUTTING_DOWN);
  });
});

async function firstOf<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  try {
    for await (const message of stream) return message;
  } catch {
    return undefined; // The only stream that is allowed has not ended yet.
  }
}

describe("Produce", () => {
  it("answers while the request's body is still open", async () => {
    const client = createClient(StreamService, transportOf(createConnect, true));
    let answered: () => void = () => undefined;
    const request = (byte: number) => ({
      storeId,
      space,
      appends: [{ segment: "a", records: [{ payload: Uint8Array.of(byte) }] }],
    });
    async function* requests() {
      yield request(1);
      await new Promise<void>((resolve) => {
        answered = resolve;
      });
      yield request(2);
    }
    const sequences: bigint[] = [];
    for await (const { ranges } of client.produce(requests())) {
      sequences.push(ranges[0].lastSequence);
      answered();
    }
    expect(sequences).toEqual([1n, 2n]);
  });
});

describe("CORS", () => {
  const preflight = (origin: string) =>
    new Request(APPEND, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });

  it("answers preflights of allowed origins", async () => {
    const { status, headers } = await streamkit.fetch(preflight(APP));
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe(APP);
    expect(headers.get("access-control-allow-methods")).toContain("POST");
    expect(headers.get("access-control-allow-headers")?.toLowerCase()).toContain("connect-protocol-version");
    expect(headers.get("vary")).toBe("origin");
  });

  it("lets allowed origins read answers, including failures and 404", async () => {
    for (const [url, status] of [
      [APPEND, 200],
      [`${ORIGIN}/streamkit.v1.StreamService/Nothing`, 404],
    ] as const) {
      const response = await streamkit.fetch(new Request(url, json(append, { origin: APP })));
      expect(response.status).toBe(status);
      expect(response.headers.get("access-control-allow-origin")).toBe(APP);
      expect(response.headers.get("access-control-expose-headers")).toContain("Grpc-Status");
    }
  });

  it("gives other origins no answer, and runs no call for them", async () => {
    for (const request of [
      preflight("https://evil.example"),
      new Request(APPEND, json(append, { origin: "https://evil.example" })),
    ]) {
      const { status, headers } = await streamkit.fetch(request);
      expect(status).toBe(403);
      expect(headers.get("access-control-allow-origin")).toBeNull();
      expect(headers.get("vary")).toBe("origin");
    }
  });
});

it("serves its own origin, under the client's name for it", async () => {
  for (const headers of [{ origin: ORIGIN }, { origin: "https://public.example", host: "public.example" }]) {
    expect((await streamkit.fetch(new Request(APPEND, json(append, headers as never)))).status).toBe(200);
  }
});

describe("a request that is not a call", () => {
  it.each([
    ["another path", new Request(`${ORIGIN}/pages/1`), 404],
    ["GET", new Request(APPEND), 405],
    ["another content type", new Request(APPEND, { ...json(append), headers: { "content-type": "text/plain" } }), 415],
    ["truncated JSON", new Request(APPEND, { ...json(append), body: "{" }), 400],
  ])("%s gets its HTTP status", async (_, request, status) => {
    expect((await streamkit.fetch(request)).status).toBe(status);
  });

  it("beyond the size limit is refused before its end", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(2 ** 20));
      },
    });
    const headers = { "content-type": "application/proto" };
    const init = { method: "POST", headers, body, duplex: "half" };
    const response = await streamkit.fetch(new Request(APPEND, init));
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(await response.json()).toMatchObject({ code: expect.any(String), message: expect.any(String) });
    expect(pulled).toBeLessThan(16);
  });

  it("whose body was read before fails with the reason", async () => {
    const request = new Request(APPEND, json(append));
    await request.text();
    const response = await streamkit.fetch(request);
    expect(response.status).toBe(500);
    expect((await response.json()).message).toContain("before any body parser");
  });

  it("of gRPC fails with the name of a usable protocol", async () => {
    for (const type of ["application/grpc", "application/grpc+proto", "application/grpc+json"]) {
      const response = await streamkit.fetch(
        new Request(APPEND, { method: "POST", headers: { "content-type": type } }),
      );
      expect(response.status).toBe(415);
      expect(await response.text()).toContain("Connect or gRPC-Web");
      expect(response.headers.get("grpc-status")).toBe("12");
      expect(decodeURIComponent(response.headers.get("grpc-message") ?? "")).toContain("Connect or gRPC-Web");
    }
  });
});

describe("flow control and cancellation", () => {
  /** A server with an endless stream. It reports how many chunks were requested, and whether the stream has ended. */
  function endless() {
    const seen = { sent: 0, ended: false, aborted: false };
    const handlers = createHandlers({
      readMaxBytes: 2 ** 20,
      routes: (router) =>
        router.rpc(StreamService.method.consumeSpace, async function* (_, { signal }) {
          signal.addEventListener("abort", () => {
            seen.aborted = true;
          });
          try {
            for (;;) {
              seen.sent++;
              yield { batches: [{ records: [{ payload: new Uint8Array(2 ** 16) }] }] };
            }
          } finally {
            seen.ended = true;
          }
        }),
    });
    const unexpected = (what: unknown) => expect.unreachable(String(what));
    const adapter = { calls: new OpenCalls(), origins: undefined, onRefused: unexpected, onDefect: unexpected };
    return { seen, fetch: createFetchHandler({ ...adapter, handlers }) };
  }
  const follow = (signal?: AbortSignal) =>
    new Request(`${ORIGIN}/streamkit.v1.StreamService/ConsumeSpace`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto" },
      body: new Uint8Array(5),
      ...(signal && { signal }),
    });

  it("a paused reader stops the handler after one chunk", async () => {
    const { seen, fetch } = endless();
    const reader = (await fetch(follow())).body!.getReader();
    for (let read = 1; read <= 3; read++) {
      await reader.read();
      await new Promise(setImmediate);
      expect(seen.sent).toBeLessThanOrEqual(read + 1);
    }
    await reader.cancel();
  });

  it("canceling the response ends the handler", async () => {
    const { seen, fetch } = endless();
    const reader = (await fetch(follow())).body!.getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(() => seen).toMatchObject({ ended: true, aborted: true });
  });

  it("aborting the request ends the handler, and releases the signal", async () => {
    const { seen, fetch } = endless();
    const controller = new AbortController();
    const reader = (await fetch(follow(controller.signal))).body!.getReader();
    await reader.read();
    controller.abort();
    // Whether or not the host continues to read, the stream ends by itself.
    for (let end = false; !end; )
      end = await reader.read().then(
        ({ done }) => done,
        () => true,
      );
    await expect.poll(() => seen).toMatchObject({ ended: true, aborted: true });
  });

  it("an aborted request that waits for entries ends too", async () => {
    const controller = new AbortController();
    const headers = { "content-type": "application/connect+json" };
    const message = JSON.stringify({ storeId, space, follow: true });
    const body = Buffer.concat([Buffer.of(0, 0, 0, 0, message.length), Buffer.from(message)]);
    const init = { method: "POST", headers, body, signal: controller.signal };
    const response = await streamkit.fetch(new Request(`${ORIGIN}/streamkit.v1.StreamService/ConsumeSpace`, init));
    const reader = response.body!.getReader();
    await reader.read();
    const waiting = reader.read();
    controller.abort();
    await waiting.catch(() => undefined);
    const client = createClient(StreamService, streamkit.transport());
    await expect.poll(() => firstOf(client.consumeSpace({ storeId, space }))).toBeDefined();
  });

  it("a request that was aborted earlier is not served", async () => {
    const response = await streamkit.fetch(new Request(APPEND, { ...json(append), signal: AbortSignal.abort() }));
    expect(response.status).toBeGreaterThanOrEqual(400);
    const client = createClient(StreamService, streamkit.transport());
    expect((await client.getSpaceStatus({ storeId, space })).status?.lastOffset).toBe(0n);
  });
});

it("serves a prefix by rewriting the address", async () => {
  const request = new Request(`${ORIGIN}/api/streams/streamkit.v1.StreamService/Append`, json(append));
  const response = await streamkit.fetch(new Request(request.url.replace("/api/streams/", "/"), request));
  expect((await response.json()).ranges[0].lastSequence).toBe("1");
});
