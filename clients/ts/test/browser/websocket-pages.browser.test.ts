import { build } from "esbuild";
import type { CDPSession, Page } from "playwright-core";
import { expect, test } from "vitest";
import type { PageModules } from "./chromium.ts";
import { PAGE_HOST, pageLab } from "./server-for-pages.ts";

declare const streamkit: PageModules;
/** Entries that the page of the memory test has seen. */
declare let count: number;

const lab = pageLab();

async function openPage(host = PAGE_HOST) {
  const page = await lab.browser.open(host);
  return { page, [Symbol.asyncDispose]: () => page.context().close() };
}

test("a page that is no secure context appends, publishes, produces, reads, follows, and holds a lease", async () => {
  await using opened = await openPage();
  const { page } = opened;
  const socketsBefore = lab.server.proxy.accepted;
  expect(await page.evaluate(() => [isSecureContext, "randomUUID" in crypto])).toEqual([false, false]);
  const read = await page.evaluate(
    async ([url, store]) => {
      const { client, websocket } = streamkit;
      const handle = client
        .createStreamkitClient({ transport: websocket.createWebSocketTransport({ baseUrl: url }) })
        .store(store);
      const segment = handle.space("s").withCodec(client.json<number>()).segment("a");
      await segment.publish(1);
      await segment.append([2, 3], { expectedLastSequence: 1 });
      await segment.produce([4, 5]);
      const conflict = await segment.append([9], { expectedLastSequence: 1 }).catch(({ reason }) => reason);
      const values: unknown[] = [conflict];
      for await (const { value } of segment.consume()) values.push(value);
      const onCaughtUp = () => void segment.publish(6);
      for await (const { value } of segment.follow({ minSequence: 5, limit: 2, onCaughtUp })) values.push(value);
      await handle.withLease("key", 5_000, async ({ fencingToken }) => values.push(typeof fencingToken));
      return values;
    },
    [lab.server.url, crypto.randomUUID()],
  );
  expect(read).toEqual(["SEQUENCE_MISMATCH", 1, 2, 3, 4, 5, 5, 6, "bigint"]);
  expect(lab.server.proxy.accepted - socketsBefore).toBe(1);
});

test("50 follows and their writers share one connection", async () => {
  await using opened = await openPage();
  const connectionsBefore = lab.server.proxy.accepted;
  const seen = await opened.page.evaluate(
    async ([url, store]) => {
      const { client, web } = streamkit;
      const transport = web.createWebTransport({ baseUrl: url, protocol: "auto" });
      const space = client
        .createStreamkitClient({ transport })
        .store(store)
        .space("s")
        .withCodec(client.json<number>());
      const follows = Array.from({ length: 50 }, async (_, i) => {
        const segment = space.segment(`s${i}`);
        const values: number[] = [];
        const onCaughtUp = () => void segment.publish(values.length);
        for await (const { value } of segment.follow({ limit: 3, onCaughtUp })) values.push(value);
        return values;
      });
      return Promise.all(follows);
    },
    [lab.server.url, crypto.randomUUID()],
  );
  expect(seen).toEqual(Array.from({ length: 50 }, () => [0, 1, 2]));
  expect(lab.server.proxy.accepted - connectionsBefore).toBe(1);
});

/** Opens a WebSocket without the client. Returns "open", or "closed" and the number of messages that came. */
async function openRawSocket(page: Page, url: string): Promise<string> {
  return page.evaluate(
    (url) =>
      new Promise<string>((resolve) => {
        let messages = 0;
        const socket = new WebSocket(`${url.replace("http", "ws")}/streamkit.v1/socket`, "streamkit.v1");
        socket.onmessage = () => {
          messages += 1;
        };
        socket.onopen = () => resolve("open");
        socket.onclose = () => resolve(`closed, ${messages} messages`);
      }),
    url,
  );
}

test("a socket from a foreign page, or to a foreign name, is refused with 403 and gets nothing", async () => {
  const foreign: [page: string, url: string][] = [
    ["other.test", lab.server.url],
    // Its own server has the same host name, and another port.
    ["streams.test", lab.server.url],
    ["app.test.other.test", lab.server.url],
    // A name that a foreign site has led to this server, as in DNS rebinding.
    [PAGE_HOST, lab.server.url.replace("streams.test", "rebound.test")],
  ];
  for (const [host, url] of foreign) {
    await using opened = await openPage(host);
    const said: string[] = [];
    opened.page.on("console", (message) => said.push(message.text()));
    expect(await openRawSocket(opened.page, url), `${host} to ${url}`).toBe("closed, 0 messages");
    await expect.poll(() => said.join("\n")).toMatch(/Unexpected response code: 403/);
  }
  await using allowed = await openPage();
  expect(await openRawSocket(allowed.page, lab.server.url)).toBe("open");
});

test("a sandboxed frame of an allowed page has no origin, and opens no socket", async () => {
  await using opened = await openPage();
  const outcome = await opened.page.evaluate(
    (url) =>
      new Promise((resolve) => {
        addEventListener("message", ({ data }) => resolve(data));
        const frame = document.createElement("iframe");
        frame.sandbox.add("allow-scripts");
        const address = `${url.replace("http", "ws")}/streamkit.v1/socket`;
        frame.srcdoc = `<script>
          const socket = new WebSocket("${address}", "streamkit.v1");
          socket.onopen = () => parent.postMessage("open from " + origin, "*");
          socket.onclose = () => parent.postMessage("closed from " + origin, "*");
        </script>`;
        document.body.append(frame);
      }),
    lab.server.url,
  );
  expect(outcome).toBe("closed from null");
});

/** Bytes of the heap that are in use after a collection. */
async function usedHeap(tools: CDPSession): Promise<number> {
  await tools.send("HeapProfiler.collectGarbage");
  return (await tools.send("Runtime.getHeapUsage")).usedSize;
}

test("the memory of a page stays flat while it follows 100,000 entries", async () => {
  await using opened = await openPage();
  const { page } = opened;
  const store = crypto.randomUUID();
  const segment = lab.server.segment(store, "a");
  await page.evaluate(
    ([url, store]) => {
      const { client, websocket } = streamkit;
      const transport = websocket.createWebSocketTransport({ baseUrl: url });
      const following = async () => {
        Object.assign(globalThis, { count: 0 });
        const segment = client.createStreamkitClient({ transport }).store(store).space("s").segment("a");
        for await (const { payload } of segment.follow()) count += payload.length > 0 ? 1 : 0;
      };
      void following();
    },
    [lab.server.url, store],
  );
  const tools = await page.context().newCDPSession(page);
  const produce = (length: number) => segment.produce(Array.from({ length }, (_, i) => 1e15 + i));
  await produce(20_000);
  await page.waitForFunction(() => count === 20_000);
  const before = await usedHeap(tools);
  await produce(80_000);
  await page.waitForFunction(() => count === 100_000);
  // 50 bytes per entry would be a leak.
  expect((await usedHeap(tools)) - before).toBeLessThan(80_000 * 50);
});

test("the code of a page has nothing of Node.js in it", async () => {
  const { metafile } = await build({
    ...{ entryPoints: ["web", "websocket", "index"].map((name) => `clients/ts/src/${name}.ts`), outdir: "unused" },
    ...{ bundle: true, splitting: true, write: false, metafile: true, format: "esm", platform: "browser" },
    conditions: ["@streamkit/source"],
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain("clients/ts/src/websocket/connection.ts");
  expect(inputs.filter((path) => /connect-node|node_modules\/ws\/|src\/node|^node:/.test(path))).toEqual([]);
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
  expect(imported).toEqual([]);
});
