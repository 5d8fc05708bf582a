/** ReadSegment and ReadSpace over the wire: every protocol and format, and plain HTTP GET. */
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { LIMITS, ReadSegmentRequestSchema, ReadSegmentResponseSchema, StreamService } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, type Listener, memoryStorage, type Streamkit } from "../src/index.ts";
import { WIRE_TRANSPORTS } from "./transports.ts";

const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const request = { storeId, space: "orders", segment: "a" };
let streamkit: Streamkit;
let listener: Listener;

beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  listener = await streamkit.listen({ port: 0 });
  const client = createClient(StreamService, streamkit.transport());
  for (const bytes of [3, 0, LIMITS.maxRecordBytes]) {
    const metadata: Record<string, string> = bytes === 3 ? { é: "label" } : {};
    const records = [{ payload: Buffer.alloc(bytes, "x"), metadata }];
    await client.append({ storeId, space: "orders", appends: [{ segment: "a", records }] });
  }
});
afterAll(() => streamkit.close());

describe.each(WIRE_TRANSPORTS)("over $name", ({ make }) => {
  it("pages have the written entries, large and small", async () => {
    const client = createClient(StreamService, make(listener.url));
    const first = await client.readSegment({ ...request, limit: 2n });
    expect(first).toMatchObject({ nextSequence: 3n, caughtUp: false });
    expect(first.batches.map(({ records }) => records[0].payload.length)).toEqual([3, 0]);
    expect(first.batches[0].records[0].metadata).toEqual({ é: "label" });
    const rest = await client.readSpace({ storeId, space: "orders", minOffset: first.nextSequence });
    expect(rest).toMatchObject({ nextOffset: 4n, caughtUp: true });
    expect(rest.batches[0].records[0].payload).toEqual(new Uint8Array(LIMITS.maxRecordBytes).fill(120));
    const none = await client.readSegment({ ...request, minSequence: 9n });
    expect(none).toMatchObject({ batches: [], nextSequence: 9n, caughtUp: true });
    await expect(client.readSegment({ ...request, space: "" })).rejects.toThrow(/space/);
  });
});

describe("by HTTP GET", () => {
  const get = (query: Record<string, string>, method = "ReadSegment") =>
    fetch(`${listener.url}/streamkit.v1.StreamService/${method}?${new URLSearchParams(query)}`);
  const json = JSON.stringify({ ...request, limit: "1" });

  it("pages are JSON for curl", async () => {
    const response = await get({ encoding: "json", message: json });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({ nextSequence: "2", batches: [{ records: [{ payload: "eHh4" }] }] });
  });

  it("pages are binary for clients of Connect", async () => {
    const transport = createConnectTransport({ baseUrl: listener.url, httpVersion: "1.1", useHttpGet: true });
    const { batches } = await createClient(StreamService, transport).readSegment({ ...request, limit: 1n });
    expect(batches[0].records[0].payload).toEqual(new Uint8Array([120, 120, 120]));
    const message = gzipSync(
      toBinary(ReadSegmentRequestSchema, create(ReadSegmentRequestSchema, { ...request, limit: 1n })),
    );
    const query = { encoding: "proto", base64: "1", compression: "gzip", message: message.toString("base64url") };
    const response = await get(query);
    const page = fromBinary(ReadSegmentResponseSchema, new Uint8Array(await response.arrayBuffer()));
    expect(page.nextSequence).toBe(2n);
  });

  it.each<[string, Record<string, string>]>([
    ["no encoding", { message: json }],
    ["an unknown encoding", { encoding: "xml", message: json }],
    ["no message", { encoding: "json" }],
    ["no JSON", { encoding: "json", message: "{" }],
    ["an empty required field", { encoding: "json", message: JSON.stringify({ ...request, segment: "" }) }],
    ["invalid protobuf", { encoding: "proto", base64: "1", message: "_____w" }],
    ["invalid base64", { encoding: "proto", base64: "1", message: "!!" }],
  ])("%s is INVALID_ARGUMENT", async (_, query) => {
    const response = await get(query);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "invalid_argument",
      details: [{ debug: { reason: "ERROR_REASON_INVALID_FIELD" } }],
    });
  });

  it("an unknown compression is UNIMPLEMENTED, and GET reaches no method that writes", async () => {
    expect((await get({ encoding: "json", message: json, compression: "br" })).status).toBe(501);
    expect((await get({ encoding: "json", message: "{}" }, "Append")).status).toBe(405);
  });
});
