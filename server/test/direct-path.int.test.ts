import { type ClientHttp2Stream, connect, constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createConnectRouter } from "@connectrpc/connect";
import { AppendRequestSchema, ErrorReason, ReadSegmentRequestSchema, RecordSchema } from "@streamkit/protocol";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Accounts } from "../src/budgets/account.ts";
import { serverLimits } from "../src/budgets/limits.ts";
import { OpenCalls } from "../src/http/open-calls.ts";
import { createRequestListener } from "../src/http/request-listener.ts";
import { createStreamkit, memoryStorage } from "../src/index.ts";

const STORE = "0c9c1f4f-8f56-4d4e-9f8c-6d7a2f0f1b11";
const streamkit = createStreamkit({ storage: memoryStorage(), onEvent: () => undefined });
const router = createConnectRouter({ acceptCompression: [], readMaxBytes: 8 * 1024 * 1024 });
streamkit.routes(router);
const universal = createServer(
  createRequestListener({
    handlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),
    accounts: new Accounts(serverLimits()),
    calls: new OpenCalls(),
    allowedHosts: "*",
    origins: undefined,
    onRefused: () => undefined,
    onDefect: (error) => {
      throw error;
    },
  }),
);
let direct: { url: string };
const sessions = new Map<string, ReturnType<typeof connect>>();

beforeAll(async () => {
  direct = await streamkit.listen({ port: 0 });
  await new Promise<void>((resolve) => universal.listen(0, "127.0.0.1", resolve));
  const { port } = universal.address() as AddressInfo;
  sessions.set("direct", connect(direct.url));
  sessions.set("universal", connect(`http://127.0.0.1:${port}`));
  const seeded = await send("universal", "Append", { "content-type": "application/proto" }, append("a", "1"));
  expect(seeded.headers[":status"]).toBe(200);
});

afterAll(async () => {
  for (const session of sessions.values()) session.close();
  universal.close();
  await streamkit.close();
});

function append(segment: string, value: string): Uint8Array {
  const records = [create(RecordSchema, { payload: Buffer.from(value) })];
  return toBinary(
    AppendRequestSchema,
    create(AppendRequestSchema, {
      storeId: STORE,
      space: "s",
      appends: [{ segment, records, expectedLastSequence: 0n }],
    }),
  );
}

async function send(way: string, method: string, headers: Record<string, string>, body: Uint8Array) {
  const stream = sessions.get(way)?.request({
    ":method": "POST",
    ":path": `/streamkit.v1.StreamService/${method}`,
    ...headers,
  });
  if (stream === undefined) return expect.unreachable();
  let received: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on("response", (found) => {
    const { date: _date, ...rest } = found;
    received = rest;
  });
  stream.on("trailers", (found) => {
    trailers = { ...found };
  });
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { headers: { ...received }, trailers, body: Buffer.concat(chunks).toString("latin1") };
}

function enveloped(message: Uint8Array, flags = 0, extra = 0): Uint8Array {
  const envelope = Buffer.alloc(5 + message.length);
  envelope[0] = flags;
  envelope.writeUInt32BE(message.length + extra, 1);
  envelope.set(message, 5);
  return envelope;
}

const reads = fc
  .record({
    storeId: fc.constantFrom(STORE, "", "x", "0c9c1f4f-8f56-4d4e-9f8c-6d7a2f0f1b12"),
    space: fc.constantFrom("s", "", "t", "\u0000", "x".repeat(2_000)),
    segment: fc.constantFrom("a", "", "b"),
    limit: fc.constantFrom(0n, 1n, 5n),
    backward: fc.boolean(),
  })
  .map((fields) => toBinary(ReadSegmentRequestSchema, create(ReadSegmentRequestSchema, fields)));
const messages = fc.oneof(
  { weight: 4, arbitrary: reads },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  // The segment has an entry, so this append, which expects none, is refused and changes nothing.
  { weight: 1, arbitrary: fc.constant(append("a", "2")) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(70_000).fill(1)) },
);
const LONE_SURROGATE = JSON.stringify({ storeId: STORE, space: "s", segment: "\ud800" });
const texts = fc.oneof(
  {
    weight: 4,
    arbitrary: reads.map((read) => toJsonString(ReadSegmentRequestSchema, fromBinary(ReadSegmentRequestSchema, read))),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      toJsonString(AppendRequestSchema, fromBinary(AppendRequestSchema, append("a", "2"))).replace(
        "{",
        '{"unknown":1,',
      ),
    ),
  },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "",
      "{",
      "null",
      "[]",
      "\ufeff{}",
      '{"limit":"x"}',
      LONE_SURROGATE,
      "[".repeat(200),
      " ".repeat(140_000),
    ),
  },
);
const jsonMessages = fc.oneof(
  { weight: 9, arbitrary: texts.map((text): Uint8Array => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 10 }) },
);
const requests = fc.record({
  method: fc.constantFrom("ReadSegment", "Peek", "Append", "GetSegmentStatus", "ListSegments"),
  message: messages,
  json: jsonMessages,
  framing: fc.oneof(
    { weight: 3, arbitrary: fc.constant("connect") },
    { weight: 4, arbitrary: fc.constant("json") },
    { weight: 3, arbitrary: fc.constant("grpc") },
    { weight: 1, arbitrary: fc.constantFrom("flag", "short", "long", "twice", "bare") },
  ),
  headers: fc.constantFrom<Record<string, string>>(
    {},
    { "connect-timeout-ms": "0" },
    { "connect-timeout-ms": "x" },
    { "connect-timeout-ms": "5000000000" },
    { "grpc-timeout": "0m" },
    { "grpc-timeout": "x" },
    { "content-encoding": "br" },
    { "grpc-encoding": "br" },
    { "grpc-encoding": "gzip" },
  ),
});

const TYPES: Readonly<Record<string, string>> = { connect: "application/proto", json: "application/json" };

it("answers equal what Connect's handlers answer: status, headers, body and trailers", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, message, json, framing, headers }) => {
      const type = TYPES[framing] ?? "application/grpc+proto";
      const bodies: Record<string, () => Uint8Array> = {
        connect: () => message,
        json: () => json,
        flag: () => enveloped(message, 1),
        short: () => enveloped(message, 0, 3),
        long: () => Buffer.concat([enveloped(message), Buffer.from([0])]),
        twice: () => Buffer.concat([enveloped(message), enveloped(message)]),
        bare: () => message,
        grpc: () => enveloped(message),
      };
      const call = (way: string) => send(way, method, { "content-type": type, ...headers }, bodies[framing]());
      const [a, b] = await Promise.all([call("direct"), call("universal")]);
      expect(a).toEqual(b);
      expect(a.headers[":status"]).toBeDefined();
    }),
    { seed: Number(process.env.FUZZ_SEED ?? 2), numRuns: Number(process.env.FUZZ_RUNS ?? 1_000) },
  );
});

describe.each(["application/proto", "application/json", "application/grpc+proto"])(
  "a call of %s that its client ends",
  (type) => {
    const framed = (message: Uint8Array) => (type === "application/grpc+proto" ? enveloped(message) : message);
    const canceled = () => streamkit.counts().refusals.get(ErrorReason.CANCELED) ?? 0;

    async function endsCanceled(path: string, write: (stream: ClientHttp2Stream) => void): Promise<void> {
      const before = canceled();
      const session = connect(direct.url);
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": type });
      stream.on("error", () => undefined);
      write(stream);
      // The server answers in the order of arrival: it has met the call once it has answered the ping.
      await new Promise<void>((resolve) => session.ping(() => resolve()));
      stream.close(constants.NGHTTP2_CANCEL);
      await expect.poll(canceled, { timeout: 60_000 }).toBe(before + 1);
      expect(streamkit.counts().refusals.get(ErrorReason.INTERNAL)).toBeUndefined();
      expect(streamkit.counts().kinds.get("internal-error")).toBeUndefined();
      session.close();
    }

    it("in the middle of its request fails with CANCELED", () =>
      endsCanceled("/streamkit.v1.StreamService/Append", (stream) =>
        stream.write(framed(append("b", "1")).subarray(0, 9)),
      ));

    it("while it waits for its answer fails with CANCELED", () => {
      const wait = { seconds: 60n, nanos: 0 };
      const request = create(ReadSegmentRequestSchema, { storeId: STORE, space: "s", segment: "nothing", wait });
      return endsCanceled("/streamkit.v1.StreamService/ReadSegment", (stream) =>
        stream.end(
          type === "application/json"
            ? toJsonString(ReadSegmentRequestSchema, request)
            : framed(toBinary(ReadSegmentRequestSchema, request)),
        ),
      );
    });
  },
);
