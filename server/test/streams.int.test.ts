/** Streams of a real server process with slow, leaving, vanished and many readers, and under SIGTERM. */
import { readdir } from "node:fs/promises";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage } from "../src/index.ts";
import { type ServerProcess, startServer, temporaryFolder } from "./server-process.ts";

const MIB = 1024 * 1024;
/** Size of the backlog of a paused reader; a soak run sets 1,024. */
const PAUSED_MIB = Number(process.env.PAUSED_MIB ?? 192);
const KEEP_ALIVE_SECONDS = 0.4;
const space = "space";
const record = (size: number) => ({ payload: new Uint8Array(size) });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startServer(folder.path);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const clientOf = (transport: Transport) => createClient(StreamService, transport);
const grpc = (baseUrl = server.url) => clientOf(createGrpcTransport({ baseUrl }));
const http1 = (baseUrl = server.url) => clientOf(createConnectTransport({ baseUrl, httpVersion: "1.1" }));

/** Open files and connections of a server process, to see that it releases them. */
async function handles({ child }: ServerProcess): Promise<number> {
  return (await readdir(`/proc/${child.pid}/fd`)).length;
}

async function until(condition: () => Promise<boolean> | boolean, millis: number): Promise<number> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > millis) throw new Error(`did not happen within ${millis} ms`);
    await delay(10);
  }
  return performance.now() - start;
}

describe("a paused reader", () => {
  it.each([
    ["gRPC", grpc],
    ["HTTP/1.1", http1],
  ])(
    `of ${PAUSED_MIB} MiB over %s leaves the server's memory flat and its siblings alone (fault 20)`,
    { timeout: 30_000 + PAUSED_MIB * 200 },
    async (_, make) => {
      const storeId = crypto.randomUUID();
      const writer = grpc();
      const paused = make().consumeSpace({ storeId, space, follow: true })[Symbol.asyncIterator]();
      await paused.next();
      const sibling = make().consumeSpace({ storeId, space, follow: true })[Symbol.asyncIterator]();
      await sibling.next();
      const append = () => writer.append({ storeId, space, appends: [{ segment: "s", records: [record(MIB)] }] });
      let seen = 0n;
      let slowest = 0;
      const write = async (count: number) => {
        for (let i = 0; i < count; i++) {
          const { ranges } = await append();
          const start = performance.now();
          while (seen < ranges[0].firstOffset) seen = (await sibling.next()).value.nextOffset - 1n;
          slowest = Math.max(slowest, performance.now() - start);
        }
      };
      await write(48);
      const before = await server.memory();
      await write(PAUSED_MIB);
      const grown = (await server.memory()) - before;
      expect(grown / MIB).toBeLessThan(64);
      expect(slowest).toBeLessThan(2_000);
      // The paused reader continues, and has missed nothing.
      let next = 1n;
      while (next <= BigInt(PAUSED_MIB) + 48n) {
        const { value } = await paused.next();
        for (const batch of value.batches) {
          expect(batch.firstOffset).toBe(next);
          next += BigInt(batch.records.length);
        }
      }
      await Promise.all([paused.return?.(), sibling.return?.()]);
    },
  );
});

describe("a reader that leaves", () => {
  it.each([
    ["by cancelling, over gRPC", grpc, false],
    ["by cancelling, over HTTP/1.1", http1, false],
    ["by cancelling with unread data, over gRPC", grpc, true],
    ["by cancelling with unread data, over HTTP/1.1", http1, true],
  ])("%s, ends its stream on the server within a second (fault 21)", async (_, make, unread) => {
    // In this process, to see the server's own count. With one stream allowed, the second stream shows that the first
    // has ended.
    await using streamkit = createStreamkit({ storage: memoryStorage(), limits: { streams: 1 } });
    const { url } = await streamkit.listen({ port: 0 });
    const storeId = crypto.randomUUID();
    const client = make(url);
    if (unread)
      for (let i = 0; i < 30; i++)
        await client.append({ storeId, space, appends: [{ segment: "s", records: [record(MIB)] }] });
    const abort = new AbortController();
    const first = client
      .consumeSpace({ storeId, space, follow: true }, { signal: abort.signal })
      [Symbol.asyncIterator]();
    await first.next();
    const attempt = async () => {
      try {
        for await (const _ of grpc(url).consumeSpace({ storeId, space, limit: 1n })) break;
        return true;
      } catch (error) {
        expect(ConnectError.from(error).code).toBe(Code.ResourceExhausted);
        return false;
      }
    };
    expect(await attempt()).toBe(false);
    abort.abort();
    await first.next().catch(() => undefined);
    await until(attempt, 1_000);
  });

  it("silently is noticed within two keep-alive intervals (half-open HTTP/2, fault 21)", async () => {
    await using other = await temporaryFolder();
    // A server of its own: with this interval, it drops a client that is busy for a moment.
    await using impatient = await startServer(other.path, "--keep-alive", String(KEEP_ALIVE_SECONDS));
    const target = new URL(impatient.url);
    const sockets: Socket[] = [];
    const outers: Socket[] = [];
    let silent = false;
    const proxy = createServer((inner) => {
      const outer = connectTcp(Number(target.port), target.hostname);
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ]) {
        from.on("data", (chunk) => silent || to.write(chunk)).on("error", () => undefined);
      }
      sockets.push(inner, outer);
      outers.push(outer);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const baseUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    const client = clientOf(createGrpcTransport({ baseUrl, sessionManager }));
    const stream = client.consumeSpace({ storeId: crypto.randomUUID(), space, follow: true })[Symbol.asyncIterator]();
    await stream.next();
    const before = await handles(impatient);
    const closed = Promise.all(outers.map((outer) => new Promise((resolve) => outer.once("close", resolve))));
    silent = true;
    const start = performance.now();
    await closed;
    expect(performance.now() - start).toBeLessThan(KEEP_ALIVE_SECONDS * 2_000 + 1_000);
    await until(async () => (await handles(impatient)) < before, 1_000);
    sessionManager.abort();
    await stream.next().catch(() => undefined);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
});

describe("many", () => {
  it("followers, 1,000 on four connections, get every entry in order", { timeout: 60_000 }, async () => {
    const storeId = crypto.randomUUID();
    const clients = [grpc(), grpc(), grpc(), grpc()];
    const follower = async (index: number) => {
      let next = 1n;
      for await (const { batches } of clients[index % 4].consumeSpace({ storeId, space, follow: true, limit: 100n })) {
        for (const batch of batches) {
          if (batch.firstOffset !== next) throw new Error(`follower ${index} got ${batch.firstOffset}, not ${next}`);
          next += BigInt(batch.records.length);
        }
      }
      return next;
    };
    const following = Array.from({ length: 1_000 }, (_, index) => follower(index));
    const writer = grpc();
    for (let i = 0; i < 50; i++)
      await writer.append({ storeId, space, appends: [{ segment: `s${i % 7}`, records: [record(10), record(20)] }] });
    expect(new Set(await Promise.all(following))).toEqual(new Set([101n]));
  });
});

describe("a producer", () => {
  it("is slowed down by a server that cannot keep up, and gets every answer in order", async () => {
    const storeId = crypto.randomUUID();
    const count = 1_000;
    async function* requests() {
      for (let i = 0; i < count; i++) yield { storeId, space, appends: [{ segment: "s", records: [record(60_000)] }] };
    }
    const before = await server.memory();
    let last = 0n;
    let most = 0;
    for await (const { ranges } of grpc().produce(requests())) {
      expect(ranges[0].firstSequence).toBe(last + 1n);
      last = ranges[0].lastSequence;
      if (last % 100n === 0n) most = Math.max(most, (await server.memory()) - before);
    }
    expect(last).toBe(BigInt(count));
    expect(most / MIB).toBeLessThan(160);
  });

  it("that does not read its answers is not read from (G10)", async () => {
    // In this process, to see how many requests the server took, whatever the client buffers.
    await using streamkit = createStreamkit({ storage: memoryStorage() });
    const { url } = await streamkit.listen({ port: 0 });
    const storeId = crypto.randomUUID();
    const end = new AbortController();
    async function* requests() {
      for (;;) {
        yield { storeId, space, appends: [{ segment: "s".repeat(255), records: [record(1_000)] }] };
        await delay(0);
      }
    }
    const session = grpc(url).produce(requests(), { signal: end.signal })[Symbol.asyncIterator]();
    await session.next();
    const inside = clientOf(streamkit.transport());
    const committed = async () => (await inside.getSpaceStatus({ storeId, space })).status?.lastOffset ?? 0n;
    // Answers of 350 bytes fill a window of 64 KiB after about 200 answers, and then the pipeline of 256. At any size,
    // the server stops reading.
    let before = -1n;
    await until(async () => {
      const now = await committed();
      const stopped = now === before;
      before = now;
      await delay(200);
      return stopped;
    }, 20_000);
    expect(before).toBeLessThan(20_000n);
    end.abort();
    await session.next().catch(() => undefined);
  });
});

describe("SIGTERM", () => {
  it("ends streams with SHUTTING_DOWN, and the process in time; nothing acknowledged is lost (fault 22)", async () => {
    await using other = await temporaryFolder();
    const storeId = crypto.randomUUID();
    let acked = 0n;
    {
      await using running = await startServer(other.path);
      const streams = [grpc(running.url), http1(running.url)].map(async (client) => {
        for await (const _ of client.consumeSpace({ storeId, space, follow: true }));
      });
      const results = streams.map((stream) => stream.catch((error) => ConnectError.from(error)));
      const writer = grpc(running.url);
      const writing = (async () => {
        for (;;)
          acked = (await writer.append({ storeId, space, appends: [{ segment: "s", records: [record(10)] }] }))
            .ranges[0].lastSequence;
      })().catch((error) => ConnectError.from(error));
      await until(() => acked > 20n, 5_000);
      const start = performance.now();
      expect(await running.end("SIGTERM")).toEqual({ code: 0, signal: null });
      expect(performance.now() - start).toBeLessThan(5_000);
      for (const error of await Promise.all(results)) {
        expect(error?.code).toBe(Code.Unavailable);
        expect(error?.findDetails(ErrorDetailSchema)[0]?.reason).toBe(ErrorReason.SHUTTING_DOWN);
      }
      // Refused by the server or, if the connection was already closing, by HTTP/2. Neither is applied.
      expect(String(await writing)).toMatch(/unavailable|REFUSED_STREAM/);
      expect(running.errors()).toBe("");
    }
    await using again = await startServer(other.path);
    const { status } = await grpc(again.url).getSegmentStatus({ storeId, space, segment: "s" });
    expect(status?.lastSequence).toBeGreaterThanOrEqual(acked);
  });
});
