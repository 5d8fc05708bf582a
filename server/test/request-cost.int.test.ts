/** The cost of a stranger's request: time, memory while the server reads it, and memory that stays afterwards. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AppendRequestSchema, LIMITS, StoreService } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { levelStorage } from "../src/index.ts";
import { makeInstance } from "./instance.ts";
import { contentType, envelope, RawClient } from "./raw-client.ts";
import { startServer, temporaryFolder } from "./server-process.ts";

const APPEND = "/streamkit.v1.StreamService/Append";
const MIB = 1024 * 1024;
const TRANSACTIONS = 60;

/** Text with as many parts as fit into a message of the largest size. */
const filled = (before: string, part: string, after: string) =>
  Buffer.from(before + part.repeat(Math.floor((LIMITS.maxRequestBytes - 100) / part.length)) + after);

/** An encoded field with any content. */
function field(number: number, bytes: Uint8Array): Buffer {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

const pairs = (tag: number) => Buffer.alloc(LIMITS.maxRequestBytes - 64, Buffer.from([tag, 0]));
const labels = (count: number, key: (index: number) => string) =>
  create(AppendRequestSchema, {
    storeId: crypto.randomUUID(),
    space: "s",
    appends: [
      {
        segment: "a",
        records: [{ metadata: Object.fromEntries(Array.from({ length: count }, (_, i) => [key(i), ""])) }],
      },
    ],
  });

/** Requests of the largest size, each made of the elements that cost most per byte in some part of the server. */
const WORST: [name: string, format: "json" | "proto", body: () => Uint8Array][] = [
  ["segments", "json", () => filled('{"appends":[', "{},", "{}]}")],
  ["records", "json", () => filled('{"appends":[{"records":[', "{},", "{}]}]}")],
  ["values of unknown fields", "json", () => filled('{"x":[', "{},", "{}]}")],
  ["nested arrays", "json", () => filled("", "[", "")],
  ["labels", "json", () => Buffer.from(toJsonString(AppendRequestSchema, labels(196_000, String)))],
  ["one string of escapes", "json", () => filled('{"space":"', "\\u0061", '"}')],
  ["segments", "proto", () => pairs((3 << 3) | 2)],
  ["unknown fields", "proto", () => pairs((15 << 3) | 0)],
  ["records", "proto", () => field(3, pairs((7 << 3) | 2))],
  ["unknown fields of a segment", "proto", () => field(3, pairs((15 << 3) | 0))],
  ["labels with one key", "proto", () => field(3, field(7, pairs((2 << 3) | 2)))],
  ["labels", "proto", () => toBinary(AppendRequestSchema, labels(196_000, String))],
  ["unknown fields of a record", "proto", () => field(3, field(7, pairs((15 << 3) | 0)))],
];

it("survives 100 simultaneous requests of each worst kind with a heap of 256 MiB, and serves others (H2)", async () => {
  await using folder = await temporaryFolder();
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = "--max-old-space-size=256";
  const starting = startServer(folder.path);
  if (before === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = before;
  await using server = await starting;
  using client = new RawClient(server.url);
  const others = createClient(StoreService, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }));
  const kinds = WORST.map(([, format, body]) => ({ format, body: body() }));
  const bomb = gzipSync(Buffer.alloc(64 * MIB));
  const codes = new Set<string>();
  for (const { format, body } of kinds) {
    const type = contentType("connect", format, "unary");
    const answers = Array.from({ length: 8 }, () => client.send(APPEND, type, body));
    for (const { code } of await Promise.all(answers)) codes.add(code);
    expect((await others.getServerInfo({})).storage).toBe("level");
  }
  const all = Array.from({ length: 100 }, (_, index) => {
    const { format, body } = kinds[index % kinds.length];
    return index % 10 === 0
      ? client.send(APPEND, "application/proto", bomb, { "content-encoding": "gzip" })
      : client.send(APPEND, contentType("grpc", format, "unary"), envelope(body));
  });
  for (const { code } of await Promise.all(all)) codes.add(code);
  expect((await others.getServerInfo({})).storage).toBe("level");
  // On a slow machine, a body may be late.
  const known = new Set(["ok", "invalid_argument", "resource_exhausted", "deadline_exceeded"]);
  expect([...codes].filter((code) => !known.has(code))).toEqual([]);
  expect(server.child.exitCode).toBeNull();
}, 300_000);

it("refuses 8 MiB of the cheapest elements in at most ten times the time of reading as much text (H2)", async () => {
  await using folder = await temporaryFolder();
  await using server = await startServer(folder.path);
  using client = new RawClient(server.url);
  const spent = async (format: "json" | "proto", body: Uint8Array) => {
    const start = performance.now();
    const { code } = await client.send(APPEND, contentType("connect", format, "unary"), body);
    return { code, millis: performance.now() - start };
  };
  const bulk = filled('{"space":"', "x", '"}');
  for (let i = 0; i < 3; i++) await spent("json", bulk);
  const read = Math.max((await spent("json", bulk)).millis, (await spent("json", bulk)).millis);
  for (const [name, format, body] of WORST) {
    const { code, millis } = await spent(format, body());
    // Making objects of all elements took 20 to 100 times as long.
    expect({ name, format, code, slow: millis > 10 * read + 1_000 }).toMatchObject({ slow: false });
  }
}, 300_000);

it("keeps little of large requests for followers of a small part (H3)", async () => {
  await using folder = await temporaryFolder();
  const storage = levelStorage({ path: folder.path });
  const instance = makeInstance(storage);
  const storeId = crypto.randomUUID();
  const following = new AbortController();
  const received = (async () => {
    let entries = 0;
    const options = { signal: following.signal };
    for await (const { batches } of instance.stream.consumeSegment(
      { storeId, space: "s", segment: "small", follow: true },
      options,
    )) {
      entries += batches.length;
      if (entries === TRANSACTIONS + 1) return entries;
    }
    return entries;
  })();
  const big = Array.from({ length: 31 }, (_, i) => ({
    segment: `big-${i}`,
    records: [{ payload: new Uint8Array(32 * 1024) }],
  }));
  const small = { segment: "small", records: [{ payload: new Uint8Array(10) }] };
  await instance.stream.append({ storeId, space: "s", appends: [small] });
  const start = keptBytes();
  for (let i = 0; i < TRANSACTIONS; i++) {
    // Unknown fields are part of a request like others.
    await instance.stream.append({
      storeId,
      space: "s",
      appends: i % 2 === 0 ? [...big, small] : [small],
      ...(i % 2 === 1 && { $unknown: [{ no: 99, wireType: 2, data: field(0, new Uint8Array(MIB)).subarray(1) }] }),
    });
  }
  const kept = keptBytes() - start;
  expect(await received).toBe(TRANSACTIONS + 1);
  following.abort();
  await instance[Symbol.asyncDispose]();
  await storage.close();
  expect(kept).toBeLessThan(16 * MIB);
}, 120_000);

/** Bytes in buffers that are still in use. */
function keptBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().arrayBuffers;
}
