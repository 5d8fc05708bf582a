/** Reads of one page, and loads of whole segments, against a real server. */
import type { Transport } from "@connectrpc/connect";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createStreamkitClient, type EntryPage, json, type SpaceHandle } from "../src/index.ts";
import { createNodeTransport } from "../src/node.ts";

const streamkit = createStreamkit({ storage: memoryStorage() });
const calls: string[] = [];
/** Before a call is sent. */
let beforeCall: (name: string) => Promise<void> = async () => {};
const transports: Record<string, () => Transport> = {};

beforeAll(async () => {
  const { url } = await streamkit.listen({ port: 0 });
  transports.binary = () => createNodeTransport({ baseUrl: url, httpVersion: "2" });
  transports.JSON = () => createNodeTransport({ baseUrl: url, httpVersion: "2", json: true });
});
afterAll(() => streamkit.close());

describe.each(["binary", "JSON"])("over %s", (format) => {
  let space: SpaceHandle<Uint8Array, Uint8Array>;

  beforeEach(() => {
    calls.length = 0;
    beforeCall = async () => {};
    const inner = transports[format]();
    const counted: Transport = {
      async unary(method, ...rest) {
        calls.push(method.name);
        await beforeCall(method.name);
        return inner.unary(method, ...rest);
      },
      stream: (...call) => inner.stream(...call),
    };
    const client = createStreamkitClient({ transport: counted, timeoutMillis: 1_000 });
    space = client.store(crypto.randomUUID()).space("orders") as SpaceHandle<Uint8Array, Uint8Array>;
  });

  const sequences = ({ entries }: Pick<EntryPage<unknown>, "entries">) => entries.map(({ sequence }) => sequence);
  const bytes = (count: number, size = 1) => Array.from({ length: count }, () => new Uint8Array(size));

  it("pages go on where the page before has ended, in both directions", async () => {
    const segment = space.segment("a").withCodec(json<number>());
    await segment.append([1, 2, 3]);
    await segment.append([4, 5]);
    const first = await segment.read({ limit: 2 });
    expect(first.entries.map(({ value }) => value)).toEqual([1, 2]);
    expect(first).toMatchObject({ next: 3, caughtUp: false });
    expect(await segment.read({ minSequence: first.next })).toMatchObject({ next: 6, caughtUp: true });
    const latest = await segment.read({ backward: true, limit: 3 });
    expect(latest.entries.map(({ value }) => value)).toEqual([5, 4, 3]);
    const older = await space.read({ backward: true, maxOffset: latest.next });
    expect(sequences(older)).toEqual([2, 1]);
    expect(older).toMatchObject({ next: 0, caughtUp: true });
  });

  it("a page waits for what is committed, longer than other calls may take", async () => {
    const segment = space.segment("a");
    await segment.append(bytes(1));
    const page = segment.read({ minSequence: 2, wait: 60_000 });
    const empty = await space.read({ minOffset: 2, wait: 1_500 });
    expect(empty).toEqual({ entries: [], next: 2, caughtUp: true });
    await segment.append(bytes(2));
    expect(sequences(await page)).toEqual([2, 3]);
  });

  it("a page is refused with the names of the options", async () => {
    for (const options of [{ wait: 60_001 }, { wait: -1 }, { limit: -1 }, { backward: 1 as never }]) {
      await expect(space.read(options)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    }
    await expect(space.read({ wait: 1, backward: true })).rejects.toMatchObject({
      fieldViolations: [expect.objectContaining({ field: "wait" })],
    });
    expect(calls).toEqual(["ReadSpace"]);
  });

  it("a segment is loaded with one call where it is small, and about one per MiB where it is large", async () => {
    const segment = space.segment("a");
    expect(await segment.load()).toEqual({ entries: [], lastSequence: 0 });
    for (let i = 0; i < 3; i++) await segment.append(bytes(1_000));
    calls.length = 0;
    const small = await segment.load();
    expect(calls).toEqual(["ReadSegment"]);
    expect(sequences(small)).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
    expect(sequences(await segment.load({ from: 2_999 }))).toEqual([2_999, 3_000]);
    await segment.append(bytes(1), { expectedLastSequence: small.lastSequence });
    for (let i = 0; i < 4; i++) await segment.append(bytes(1, 900_000));
    calls.length = 0;
    expect((await segment.load()).lastSequence).toBe(3_005);
    expect(calls).toHaveLength(4);
  });

  it("what is trimmed while a segment is loaded is not in the result", async () => {
    const segment = space.segment("a");
    for (let i = 0; i < 4; i++) await segment.append(bytes(1, 900_000));
    let trimmed = false;
    beforeCall = async (name) => {
      if (trimmed || calls.filter((call) => call === "ReadSegment").length < 2 || name !== "ReadSegment") return;
      trimmed = true;
      await segment.trim({ beforeSequence: 4 });
    };
    expect(sequences(await segment.load())).toEqual([4]);
    await segment.trim({ beforeSequence: 5 });
    expect(await segment.load()).toEqual({ entries: [], lastSequence: 4 });
  });
});
