/** All kinds of traffic on a port: both HTTP versions, with and without TLS, browsers, tools, and other bytes. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { toBinary } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AppendRequestSchema, StoreService, StreamService } from "@streamkit/protocol";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "@streamkit/protocol/health";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, type Listener, levelStorage, memoryStorage, type Streamkit } from "../src/index.ts";
import { temporaryFolder } from "./server-process.ts";

const run = promisify(execFile);
const BUF = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
const APPEND = "/streamkit.v1.StreamService/Append";
const payload = { payload: Buffer.from("hello") };

let streamkit: Streamkit;
let listener: Listener;

beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage(), cors: ["https://app.example"] });
  listener = await streamkit.listen({ port: 0, keepAliveMillis: 200 });
});
afterAll(() => streamkit.close());

const stillServes = async () => {
  const stores = createClient(StoreService, createConnectTransport({ baseUrl: listener.url, httpVersion: "1.1" }));
  expect((await stores.getServerInfo({})).storage).toBe("memory");
};

/** Posts bytes to a path, as no generated client would. */
const post = (path: string, body: string | Uint8Array, type: string, headers = {}) =>
  fetch(listener.url + path, { method: "POST", body: body as BodyInit, headers: { "content-type": type, ...headers } });

describe("one port", () => {
  it("speaks HTTP/1.1 and HTTP/2 at the same time", async () => {
    const storeId = crypto.randomUUID();
    const h1 = createClient(StreamService, createConnectTransport({ baseUrl: listener.url, httpVersion: "1.1" }));
    const h2 = createClient(StreamService, createGrpcTransport({ baseUrl: listener.url }));
    for (let i = 1n; i <= 10n; i++) {
      const client = i % 2n === 0n ? h1 : h2;
      const { ranges } = await client.append({ storeId, space: "s", appends: [{ segment: "s", records: [payload] }] });
      expect(ranges[0].lastSequence).toBe(i);
    }
  });

  it("speaks both over TLS too", async () => {
    await using folder = await temporaryFolder();
    const files = ["-keyout", join(folder.path, "key"), "-out", join(folder.path, "cert")];
    await run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      ...files,
    ]);
    const [cert, key] = await Promise.all(["cert", "key"].map((name) => readFile(join(folder.path, name))));
    await using secure = createStreamkit({ storage: memoryStorage() });
    const { url: baseUrl } = await secure.listen({ port: 0, tls: { cert, key } });
    expect(baseUrl).toMatch(/^https:/);
    const nodeOptions = { ca: cert };
    for (const transport of [
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
      createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
      createGrpcTransport({ baseUrl, nodeOptions }),
    ]) {
      expect((await createClient(StoreService, transport).getServerInfo({})).storage).toBe("memory");
    }
  });

  it.each([
    ["nothing", ""],
    ["a part of the HTTP/2 preface", "PR"],
    [
      "the preface, then noise",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnoise that is no frame at all, whatever one makes of it",
    ],
    ["noise", "\u0000\u0001\u0002\u0003"],
    ["a TLS hello", "\u0016\u0003\u0001\u0000\u00a5\u0001"],
    ["half a request", "POST / HTTP/1.1\r\ncontent-le"],
  ])("survives connections that send %s and then close or reset (ERR-008)", async (_, text) => {
    for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
      const socket = connectTcp(listener.port, "127.0.0.1");
      socket.on("error", () => undefined);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      await new Promise((resolve) => socket.once("connect", resolve));
      if (text !== "") socket.write(Buffer.from(text, "latin1"));
      socket.resume();
      socket[leave]();
      await closed;
    }
    await stillServes();
  });

  it("accepts the HTTP/2 preface byte by byte", async () => {
    // A relay that passes on the client's bytes one by one.
    const relay = createServer((inner) => {
      const outer = connectTcp({ port: listener.port, host: "127.0.0.1", noDelay: true });
      outer.pipe(inner);
      inner.on("data", (chunk) => {
        for (const byte of chunk) outer.write(Buffer.of(byte));
      });
      for (const socket of [inner, outer])
        socket
          .on("error", () => undefined)
          .on("close", () => {
            inner.destroy();
            outer.destroy();
          });
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    const session = connectHttp2(`http://127.0.0.1:${(relay.address() as AddressInfo).port}`);
    const request = session.request({ ":path": "/none" });
    const status = await new Promise((resolve) => request.once("response", (headers) => resolve(headers[":status"])));
    expect(status).toBe(404);
    session.destroy();
    await new Promise((resolve) => relay.close(resolve));
  });

  it("answers other requests than RPCs with an HTTP error (ERR-007)", async () => {
    expect((await fetch(listener.url)).status).toBe(404);
    expect((await post("/streamkit.v1.StreamService/Nothing", "{}", "application/json")).status).toBe(404);
    expect((await post(APPEND, "x", "text/plain")).status).toBe(415);
    expect((await fetch(listener.url + APPEND)).status).toBe(405);
    await stillServes();
  });

  it("admits browsers from the allowed origins only", async () => {
    const ask = (origin: string) =>
      fetch(listener.url + APPEND, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
    const allowed = await ask("https://app.example");
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(allowed.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("connect-protocol-version");
    expect((await ask("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
    const call = await post("/streamkit.v1.StoreService/GetServerInfo", "{}", "application/json", {
      origin: "https://app.example",
    });
    expect(call.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("grpc-status");
  });

  it("reports its health, and that it is shutting down", async () => {
    await using other = createStreamkit({ storage: memoryStorage() });
    const { url } = await other.listen({ port: 0 });
    const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
    expect((await health.check({})).status).toBe(Serving.SERVING);
    expect((await health.check({ service: "streamkit.v1.StreamService" })).status).toBe(Serving.SERVING);
    await expect(health.check({ service: "nothing" })).rejects.toThrow(ConnectError);
    const seen: Serving[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({})) {
        seen.push(status);
        if (seen.length === 1) void other.close();
      }
    })();
    await watching;
    expect(seen).toEqual([Serving.SERVING, Serving.NOT_SERVING]);
  });

  it("describes itself to tools: buf curl needs no proto files", async () => {
    const storeId = crypto.randomUUID();
    const data = JSON.stringify({
      storeId,
      space: "s",
      appends: [{ segment: "s", records: [{ payload: "aGVsbG8=" }] }],
    });
    for (const protocol of ["grpc", "grpcweb", "connect"]) {
      const { stdout } = await run(BUF, [
        "curl",
        "--http2-prior-knowledge",
        "--protocol",
        protocol,
        "-d",
        data,
        listener.url + APPEND,
      ]);
      expect(JSON.parse(stdout).ranges[0].segment).toBe("s");
    }
    const { stdout } = await run(BUF, ["curl", "--http2-prior-knowledge", "--list-methods", listener.url]);
    expect(stdout).toContain("streamkit.v1.StreamService/ConsumeSpace");
  });
});

describe("an unreadable request", () => {
  const bad = Buffer.of(0x0a, 0xff, 0xff);
  const envelope = (body: Uint8Array) => Buffer.concat([Buffer.of(0, 0, 0, 0, body.length), body]);

  it.each([
    ["binary", APPEND, bad, "application/proto"],
    ["JSON", APPEND, "{", "application/json"],
    ["a JSON type", APPEND, '{"storeId": 7}', "application/json"],
    ["base64 in JSON", APPEND, '{"appends":[{"segment":"s","records":[{"payload":"*"}]}]}', "application/json"],
    ["text that is not UTF-8", APPEND, Buffer.of(0x12, 2, 0xc3, 0x28), "application/proto"],
    [
      "JSON that is not UTF-8",
      APPEND,
      Buffer.concat([Buffer.from('{"space":"'), Buffer.of(0xc3, 0x28), Buffer.from('"}')]),
      "application/json",
    ],
    ["binary of a status call", "/streamkit.v1.StreamService/GetSpaceStatus", bad, "application/proto"],
    ["JSON of a status call", "/streamkit.v1.StreamService/GetSpaceStatus", "[]", "application/json"],
  ])("as %s is INVALID_ARGUMENT / INVALID_FIELD (ERR-004, fault 25)", async (_, path, body, type) => {
    const response = await post(path, body, type);
    expect(response.status).toBe(400);
    const error = await response.json();
    expect(error.code).toBe("invalid_argument");
    expect(error.details).toHaveLength(1);
    expect(error.details[0].debug?.reason ?? Buffer.from(error.details[0].value, "base64")[1]).toSatisfy(
      (reason) => reason === "ERROR_REASON_INVALID_FIELD" || reason === 1,
    );
  });

  it("in a stream is also INVALID_ARGUMENT / INVALID_FIELD", async () => {
    const path = "/streamkit.v1.StreamService/ConsumeSpace";
    for (const [body, type] of [
      [bad, "application/connect+proto"],
      [Buffer.from("{"), "application/connect+json"],
    ] as const) {
      const response = await post(path, envelope(body), type);
      const bytes = Buffer.from(await response.arrayBuffer());
      const end = JSON.parse(bytes.subarray(5).toString());
      expect(end.error.code, type).toBe("invalid_argument");
      expect(end.error.details, type).toHaveLength(1);
    }
    const grpcWeb = await post(path, envelope(bad), "application/grpc-web+proto");
    const trailers =
      Buffer.from(await grpcWeb.arrayBuffer()).toString("latin1") + (grpcWeb.headers.get("grpc-status") ?? "");
    expect(trailers).toMatch(/grpc-status: 3|^3$/);
  });

  it("with a JSON name that is not Unicode is refused, not changed (ERR-009)", async () => {
    const storeId = crypto.randomUUID();
    const records = [{ payload: "" }];
    for (const names of [
      { space: "\\ud800", segment: "s" },
      { space: "s", segment: "\\ud800" },
    ]) {
      const body = JSON.stringify({ storeId, space: "SPACE", appends: [{ segment: "SEGMENT", records }] })
        .replace("SPACE", names.space)
        .replace("SEGMENT", names.segment);
      const response = await post(APPEND, body, "application/json");
      expect(response.status, body).toBe(400);
      expect((await response.json()).details, body).toHaveLength(1);
    }
  });
});

describe("a request from a later version", () => {
  it("has fields that are ignored, in binary and in JSON (ERR-005)", async () => {
    const storeId = crypto.randomUUID();
    const request = {
      storeId,
      space: "s",
      appends: [{ segment: "s", records: [{ payload: "aGk=", later: 1 }], later: {} }],
      later: [1],
    };
    expect((await post(APPEND, JSON.stringify(request), "application/json")).status).toBe(200);
    const known = toBinary(AppendRequestSchema, {
      $typeName: "streamkit.v1.AppendRequest",
      storeId,
      space: "s",
      transactionId: "",
      appends: [],
    });
    // Field 15 everywhere: in the request, in the append, in the record.
    const record = Buffer.from("3a050a016a7a00", "hex");
    const append = Buffer.concat([Buffer.from("0a01737a00", "hex"), record]);
    const body = Buffer.concat([known, Buffer.of(0x1a, append.length), append, Buffer.from("7a00", "hex")]);
    expect((await post(APPEND, body, "application/proto")).status).toBe(200);
    const client = createClient(StreamService, streamkit.transport());
    const seen: string[] = [];
    for await (const { batches } of client.consumeSpace({ storeId, space: "s" })) {
      for (const { records } of batches) seen.push(...records.map((r) => Buffer.from(r.payload).toString()));
    }
    expect(seen).toEqual(["hi", "j"]);
  });
});

describe("names", () => {
  it("that look like paths, patterns or escapes stay names, and no file appears outside (fault 27)", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "data");
    const names = [
      "..",
      "../../x",
      "/etc/passwd",
      "a\\b",
      "%2e%2e",
      "C:",
      "*",
      "a b",
      "A",
      "a",
      "\u00e9",
      "e\u0301",
      "\ufeff",
      "\ufeffa",
      "\u{1f600}",
      ".",
    ];
    await using level = createStreamkit({ storage: levelStorage({ path }) });
    const client = createClient(StreamService, createGrpcTransport({ baseUrl: (await level.listen({ port: 0 })).url }));
    const storeId = crypto.randomUUID();
    for (const name of names)
      await client.append({ storeId, space: name, appends: names.map((segment) => ({ segment, records: [payload] })) });
    const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await client.listSpaces({ storeId })).spaces.map((s) => s.space)).toEqual(sorted);
    for (const space of names) {
      const { segments } = await client.listSegments({ storeId, space });
      expect(segments.map((s) => [s.segment, s.lastSequence])).toEqual(sorted.map((n) => [n, 1n]));
      for (const segment of names) {
        const { entry } = await client.peek({ storeId, space, segment });
        expect([entry?.space, entry?.segment]).toEqual([space, segment]);
      }
    }
    for (const id of ["..", "../x", "", "con", `${storeId}/..`, `${storeId}\u0000`]) {
      await expect(
        client.append({ storeId: id, space: "s", appends: [{ segment: "s", records: [payload] }] }),
      ).rejects.toThrow(/store_id/);
    }
    expect(await readdir(folder.path)).toEqual(["data"]);
    expect((await readdir(path)).filter((name) => !name.includes(storeId) && name !== ".reserve")).toEqual([
      "STREAMKIT-FOLDER.json",
    ]);
  });
});

describe("closing", () => {
  it("does not wait for idle connections, clients that say nothing, or readers that pause", async () => {
    const other = createStreamkit({ storage: memoryStorage() });
    const { url, port } = await other.listen({ port: 0 });
    const silent = connectTcp(port, "127.0.0.1").on("error", () => undefined);
    const storeId = crypto.randomUUID();
    const large = { payload: new Uint8Array(1_000_000) };
    const h1 = createClient(StreamService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    for (let i = 0; i < 20; i++)
      await h1.append({ storeId, space: "s", appends: [{ segment: "s", records: [large] }] });
    const readers = [h1, createClient(StreamService, createGrpcTransport({ baseUrl: url }))].map((client) =>
      client.consumeSpace({ storeId, space: "s", follow: true })[Symbol.asyncIterator](),
    );
    for (const reader of readers) await reader.next();
    const start = performance.now();
    await other.close();
    expect(performance.now() - start).toBeLessThan(4_000);
    silent.destroy();
    await delay(0);
    for (const reader of readers) await reader.return?.().catch(() => undefined);
  });
});
