/** Unreadable requests, as raw bytes over HTTP/2: their refusals, and the results of readable requests before them. */
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createClient, createConnectRouter } from "@connectrpc/connect";
import { createUniversalHandlerClient } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { compressionGzip } from "@connectrpc/connect-node";
import {
  AppendRequestSchema,
  CommitCursorRequestSchema,
  ConsumeSegmentRequestSchema,
  LIMITS,
  ProduceResponseSchema,
  StreamService,
  SubscribeToWorkersRequestSchema,
} from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type Streamkit } from "../src/index.ts";
import { answerOf, contentType, envelope, PROTOCOLS, type Protocol, RawClient } from "./raw-client.ts";

const STREAM = "/streamkit.v1.StreamService";
let streamkit: Streamkit;
let client: RawClient;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  client = new RawClient((await streamkit.listen({ port: 0 })).url);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await streamkit.close();
});

const invalid = { code: "invalid_argument", reason: "INVALID_FIELD", retryable: false };
const large = { code: "invalid_argument", reason: "REQUEST_TOO_LARGE", retryable: false };

const append = (storeId: string, text = "x") =>
  create(AppendRequestSchema, {
    storeId,
    space: "s",
    appends: [{ segment: "a", records: [{ payload: Buffer.from(text) }] }],
  });
const appendBytes = (storeId: string, text?: string) => toBinary(AppendRequestSchema, append(storeId, text));

/** Sends one message to a unary method. */
function unary(
  path: string,
  body: Uint8Array,
  protocol: Protocol = "connect",
  format: "proto" | "json" = "proto",
  headers = {},
) {
  const type = contentType(protocol, format, "unary");
  return client.send(path, type, protocol === "connect" ? body : envelope(body), headers);
}

describe.each(PROTOCOLS)("%s", (protocol) => {
  const unreadable: [string, () => Uint8Array, object, Record<string, string>?][] = [
    ["9 MiB", () => envelope(Buffer.alloc(9 * 1024 * 1024)), large],
    ["a length of 4 GiB and nothing behind it", () => Buffer.from([0, 255, 255, 255, 255]), large],
    ["a compressed flag, and no compression", () => envelope(Buffer.from("abc"), 1), invalid],
    ["an unknown flag", () => envelope(Buffer.from(""), 8), invalid],
    ["garbage", () => envelope(Buffer.from([0xff, 0xff, 0xff])), invalid],
    ["a message that ends early", () => envelope(Buffer.from([0x0a, 0x30, 0x61])), invalid],
    ["a name that is not UTF-8", () => envelope(Buffer.from([0x12, 1, 0xff])), invalid],
    ["an envelope that ends early", () => Buffer.from([0, 0, 0, 0, 9, 1]), invalid],
    ["a header that ends early", () => Buffer.from([0, 0]), invalid],
    ["invalid gzip", () => envelope(Buffer.from("abc"), 1), invalid, { gzip: "" }],
  ];

  it.each(unreadable)(
    "answers all readable requests of a session before %s, then refuses it (PRO-003, ERR-004)",
    async (_, bytes, expected, options) => {
      const storeId = crypto.randomUUID();
      const good = Array.from({ length: 20 }, (_, index) => envelope(appendBytes(storeId, String(index))));
      const type = contentType(protocol, "proto", "stream");
      const encoding = protocol === "connect" ? "connect-content-encoding" : "grpc-encoding";
      const headers: Record<string, string> = options === undefined ? {} : { [encoding]: "gzip" };
      const result = await client.send(`${STREAM}/Produce`, type, Buffer.concat([...good, bytes()]), headers);
      expect(result).toMatchObject(expected);
      const offsets = result.messages.map((bytes) => fromBinary(ProduceResponseSchema, bytes).ranges[0].firstOffset);
      expect(offsets).toEqual(good.map((_, index) => BigInt(index + 1)));
    },
  );

  it("answers a complete session, and a session that is refused in the middle, exactly once", async () => {
    const storeId = crypto.randomUUID();
    const type = contentType(protocol, "proto", "stream");
    const good = envelope(appendBytes(storeId));
    const bad = envelope(toBinary(AppendRequestSchema, create(AppendRequestSchema, { storeId, space: "s" })));
    const done = await client.send(`${STREAM}/Produce`, type, Buffer.concat([good, good]));
    expect(done).toMatchObject({ code: "ok", reason: undefined });
    expect(done.messages).toHaveLength(2);
    const refused = await client.send(`${STREAM}/Produce`, type, Buffer.concat([good, bad, good]));
    expect(refused).toMatchObject(invalid);
    expect(refused.messages).toHaveLength(1);
  });

  it.each(["proto", "json"] as const)("refuses %s beyond the size limit of its method (H2)", async (format) => {
    const text = (size: number) =>
      format === "json" ? Buffer.from(JSON.stringify({ storeId: "", pad: "x".repeat(size) })) : padding(size);
    const small = await unary(`${STREAM}/GetSpaceStatus`, text(LIMITS.maxSmallRequestBytes), protocol, format);
    expect(small).toMatchObject(large);
    const fits = await unary(`${STREAM}/GetSpaceStatus`, text(LIMITS.maxSmallRequestBytes - 100), protocol, format);
    expect(fits).toMatchObject({ ...invalid, fields: expect.arrayContaining(["space"]) });
    expect(await unary(`${STREAM}/Append`, text(LIMITS.maxRequestBytes), protocol, format)).toMatchObject(large);
    const stream = contentType(protocol, format, "stream");
    for (const method of ["ConsumeSpace", "SubscribeToSegmentStatus"]) {
      const body = envelope(text(LIMITS.maxSmallRequestBytes));
      expect(await client.send(`${STREAM}/${method}`, stream, body), method).toMatchObject(large);
    }
  });

  it.each(["proto", "json"] as const)(
    "accepts gzip, and decompresses up to the limit of the method (%s)",
    async (format) => {
      const storeId = crypto.randomUUID();
      const message = append(storeId);
      const bytes =
        format === "json"
          ? Buffer.from(toJsonString(AppendRequestSchema, message))
          : toBinary(AppendRequestSchema, message);
      const name = protocol === "connect" ? "content-encoding" : "grpc-encoding";
      const accept = protocol === "connect" ? "accept-encoding" : "grpc-accept-encoding";
      const type = contentType(protocol, format, "unary");
      const send = (body: Uint8Array, encoding = "gzip") =>
        client.send(`${STREAM}/Append`, type, protocol === "connect" ? body : envelope(body, 1), {
          [name]: encoding,
          [accept]: "gzip",
        });
      const result = await send(gzipSync(bytes));
      expect(result).toMatchObject({ code: "ok" });
      expect(result.headers[name] ?? "identity").toBe("identity");
      expect(await send(gzipSync(Buffer.alloc(64 * 1024 * 1024)))).toMatchObject(large);
      expect(await send(gzipSync(bytes).subarray(0, -6))).toMatchObject(invalid);
      expect(await send(bytes)).toMatchObject(invalid);
      const unknown = await send(bytes, "br");
      expect(unknown).toMatchObject({ code: "unimplemented", reason: "UNIMPLEMENTED" });
    },
  );

  it("refuses two messages, and none, where one is expected", async () => {
    const type = contentType(protocol, "proto", "stream");
    const message = envelope(Buffer.from(""));
    for (const method of protocol === "connect" ? ["ConsumeSpace"] : ["ConsumeSpace", "Peek"]) {
      for (const body of [Buffer.concat([message, message]), Buffer.from("")]) {
        expect(await client.send(`${STREAM}/${method}`, type, body), method).toMatchObject(invalid);
      }
      const trailing = await client.send(`${STREAM}/${method}`, type, Buffer.concat([message, Buffer.from([0])]));
      expect(trailing, method).toMatchObject(invalid);
    }
  });

  it("applies no part of a request whose connection broke in the middle", async () => {
    const storeId = crypto.randomUUID();
    const whole = toBinary(
      AppendRequestSchema,
      create(AppendRequestSchema, {
        storeId,
        space: "s",
        appends: ["a", "b"].map((segment) => ({ segment, records: [{ payload: Buffer.from("x") }] })),
      }),
    );
    // Up to the end of the first segment: valid so far.
    const part = whole.subarray(0, whole.length - appendPartLength(whole));
    const stream = client.open(`${STREAM}/Append`, contentType(protocol, "proto", "unary"));
    const body = protocol === "connect" ? part : envelope(whole).subarray(0, 5 + part.length);
    await new Promise<void>((resolve) => stream.write(body, () => resolve()));
    // `close` would end the request properly before it resets the stream.
    stream.destroy();
    await answerOf(stream, "application/proto");
    const status = await unary(`${STREAM}/ListSpaces`, Buffer.from(`\n$${storeId}`), protocol);
    expect(status).toMatchObject({ code: "ok", messages: [Buffer.from("")] });
  });
});

describe("deadlines", () => {
  const read = create(ConsumeSegmentRequestSchema, {
    storeId: crypto.randomUUID(),
    space: "s",
    segment: "a",
    follow: true,
  });
  const follow = envelope(toBinary(ConsumeSegmentRequestSchema, read));
  const timed: [protocol: Protocol, header: string, longest: string[], malformed: string[], shortest: string][] = [
    ["connect", "connect-timeout-ms", ["2147483648", "9999999999"], ["", "1.5", "-1", "99999999999", "5S"], "0"],
    ["grpc", "grpc-timeout", ["720H", "99999999H", "99999999M"], ["5", "5x", "-5S", "123456789S"], "0m"],
    ["grpc-web", "grpc-timeout", ["720H", "99999999H"], ["5x"], "0m"],
  ];

  it.each(timed)(
    "of %s beyond the range of a timer do not end calls at once (M10)",
    async (protocol, header, longest) => {
      for (const value of longest) {
        const type = contentType(protocol, "proto", "stream");
        const stream = client.open(`${STREAM}/ConsumeSegment`, type, { [header]: value });
        stream.end(follow);
        let ended = false;
        stream.once("end", () => {
          ended = true;
        });
        const [first] = await once(stream, "data");
        expect(first[0]).toBe(0);
        // Had the stream ended, its end would have come before the answer to another call.
        expect(await unary(`${STREAM}/ListSpaces`, Buffer.from(`\n$${read.storeId}`), protocol)).toMatchObject({
          code: "ok",
        });
        expect(ended).toBe(false);
        stream.destroy();
      }
    },
  );

  it.each(timed)("of %s in a malformed header are refused", async (protocol, header, _, malformed) => {
    for (const value of malformed.filter((value) => value !== "")) {
      const result = await unary(`${STREAM}/Peek`, Buffer.from(""), protocol, "proto", { [header]: value });
      expect([value, result]).toMatchObject([value, invalid]);
      const type = contentType(protocol, "proto", "stream");
      const stream = await client.send(`${STREAM}/ConsumeSegment`, type, follow, { [header]: value });
      expect([value, stream]).toMatchObject([value, invalid]);
    }
  });

  it.each(timed)(
    "of %s end calls and streams with their detail",
    async (protocol, header, _longest, _malformed, shortest) => {
      const over = { code: "deadline_exceeded", reason: "DEADLINE_EXCEEDED", retryable: true };
      const headers = { [header]: shortest };
      const type = contentType(protocol, "proto", "stream");
      expect(await client.send(`${STREAM}/ConsumeSegment`, type, follow, headers)).toMatchObject(over);
      const storeId = crypto.randomUUID();
      expect(await unary(`${STREAM}/Append`, appendBytes(storeId), protocol, "proto", headers)).toMatchObject(over);
      const session = await client.send(`${STREAM}/Produce`, type, envelope(appendBytes(storeId)), headers);
      expect(session).toMatchObject(over);
    },
  );
});

describe("GET", () => {
  let url: string;
  beforeAll(async () => {
    url = (await streamkit.listen({ port: 0 })).url;
  });
  const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  const get = async (query: string) => {
    const response = await fetch(`${url}${STREAM}/ReadSpace?connect=v1&${query}`);
    const { code, details } = (await response.json()) as { code?: string; details?: { debug?: unknown }[] };
    return { status: response.status, code, details: details?.length };
  };
  const json = `{"storeId":"${storeId}","space":"a b"}`;
  const ok = { status: 200, code: undefined, details: undefined };
  const refused = { status: 400, code: "invalid_argument", details: 1 };

  it("reads messages from the query, in every encoding, as POST does", async () => {
    const gzipped = gzipSync(json).toString("base64url");
    for (const query of [
      `encoding=json&message=${encodeURIComponent(json)}`,
      `encoding=json&message=${encodeURIComponent(json).replaceAll("%20", "+")}`,
      `encoding=json&base64=1&message=${Buffer.from(json).toString("base64url")}`,
      `encoding=json&base64=1&message=${encodeURIComponent(Buffer.from(json).toString("base64"))}`,
      `encoding=json&base64=1&compression=gzip&message=${gzipped}`,
    ]) {
      expect([query, await get(query)]).toEqual([query, ok]);
    }
  });

  it("refuses what POST refuses", async () => {
    const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024)).toString("base64url");
    for (const query of [
      `encoding=json&message=${encodeURIComponent(json).replace("a%20b", "%ff")}`,
      `encoding=json&message=${encodeURIComponent(json.replace("a b", "\\ud800"))}`,
      `encoding=json&message=${encodeURIComponent(json.replace("{", '{"space":"x",'))}`,
      "encoding=json&message=%7B",
      "encoding=json&base64=1&message=*",
      "encoding=json&base64=1&compression=gzip&message=e30",
      `encoding=json&base64=1&compression=gzip&message=${bomb}`,
      "encoding=proto&base64=1&message=__8",
      "encoding=json&message=%7B%7D",
    ]) {
      expect([query, await get(query)]).toEqual([query, refused]);
    }
    expect((await get("encoding=json&compression=%0d%0ax&message=%7B%7D")).code).toBe("unimplemented");
    expect((await fetch(`${url}${STREAM}/Append?encoding=json&message=%7B%7D`)).status).toBe(405);
  });
});

it("compresses no answer, even if an application's router would, and loses no part of it", async () => {
  const router = createConnectRouter({ acceptCompression: [compressionGzip], compressMinBytes: 1 });
  streamkit.routes(router);
  const client = createClient(
    StreamService,
    createConnectTransport({
      baseUrl: "http://in-process",
      useBinaryFormat: true,
      httpClient: createUniversalHandlerClient(router.handlers),
      acceptCompression: [compressionGzip],
      sendCompression: compressionGzip,
      compressMinBytes: 1,
    } as never),
  );
  const storeId = crypto.randomUUID();
  await client.append({
    storeId,
    space: "s",
    appends: [{ segment: "a", records: [{ payload: new Uint8Array(10_000) }] }],
  });
  const sizes: number[] = [];
  for await (const { batches } of client.consumeSegment({ storeId, space: "s", segment: "a" })) {
    for (const { records } of batches) sizes.push(...records.map(({ payload }) => payload.length));
  }
  expect(sizes).toEqual([10_000]);
});

/** An unknown field of `size` bytes. */
function padding(size: number): Buffer {
  const head = Buffer.from([(15 << 3) | 2, 0, 0, 0, 0]);
  for (let i = 0; i < 4; i++) head[1 + i] = ((size >>> (7 * i)) & 0x7f) | (i < 3 ? 0x80 : 0);
  return Buffer.concat([head, Buffer.alloc(size)]);
}

/** Size of the last of two equal fields at the end of a message, in bytes. */
function appendPartLength(whole: Uint8Array): number {
  return 2 + whole[whole.lastIndexOf(0x1a) + 1];
}

describe("small requests at all their limits", () => {
  const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  const escaped = (text: string) =>
    text.replace(/[a-z]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

  it("fit as JSON with every character escaped", async () => {
    const offsets = Object.fromEntries(
      Array.from({ length: LIMITS.maxConsumeSpaces }, (_, i) => [
        `${String.fromCharCode(97 + (i % 26)).repeat(200)}${"x".repeat(i % 50)}`.padEnd(255, "yz".repeat(i + 1)),
        2n ** 64n - 1n,
      ]),
    );
    expect(Object.keys(offsets)).toHaveLength(LIMITS.maxConsumeSpaces);
    const cursor = create(CommitCursorRequestSchema, {
      storeId,
      name: "n".repeat(255),
      offsets,
      expectedVersion: 2n ** 63n,
    });
    const json = JSON.stringify(JSON.parse(toJsonString(CommitCursorRequestSchema, cursor)));
    const body = Buffer.from(json.replace(/"[a-z]{255}"/g, escaped));
    expect(body.length).toBeLessThanOrEqual(LIMITS.maxSmallRequestBytes);
    const result = await unary("/streamkit.v1.CursorService/CommitCursor", body, "connect", "json");
    expect(result.reason).not.toBe("REQUEST_TOO_LARGE");
    const consume = Buffer.from(
      `{"storeId":"${storeId}","spaces":${JSON.stringify(JSON.parse(json).offsets)}}`.replace(/"[a-z]{255}"/g, escaped),
    );
    expect((await client.send(`${STREAM}/Consume`, "application/connect+json", envelope(consume))).code).toBe("ok");
    const metadata = Object.fromEntries(Array.from({ length: 1_024 }, (_, i) => [i.toString(16).padStart(4, "q"), ""]));
    const worker = create(SubscribeToWorkersRequestSchema, {
      storeId,
      group: "g".repeat(255),
      worker: { id: "w".repeat(255), metadata },
    });
    expect(escaped(toJsonString(SubscribeToWorkersRequestSchema, worker)).length).toBeLessThan(
      LIMITS.maxSmallRequestBytes,
    );
  });
});
