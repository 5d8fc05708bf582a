import type { AddressInfo } from "node:net";
import { createStreamkit, memoryStorage, type Streamkit } from "@streamkit/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FlakyProxy, flakyProxy } from "../../../../conformance/src/lab/flaky-proxy.ts";
import { type PageModules, startBrowser, type TestBrowser } from "./chromium.ts";

declare const streamkit: PageModules;

const PAGE_HOST = "app.test";

let browser: TestBrowser;
let server: Streamkit;
let proxy: FlakyProxy;
/** Of the proxy in front of the server, under a name that is not that of the page. */
let baseUrl: string;

beforeAll(async () => {
  browser = await startBrowser();
  server = createStreamkit({ storage: memoryStorage(), cors: [`http://${PAGE_HOST}:${browser.port}`] });
  const { port } = (await server.listen({ port: 0, allowedHosts: ["streams.test"] })) as Pick<AddressInfo, "port">;
  proxy = await flakyProxy(port);
  baseUrl = proxy.url.replace("127.0.0.1", "streams.test");
}, 120_000);

afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await server?.close();
});

async function openPage(host = PAGE_HOST) {
  const page = await browser.open(host);
  return { page, [Symbol.asyncDispose]: () => page.context().close() };
}

test.each(["websocket", "auto"] as const)(
  "a page over plain http writes and follows 20 segments (%s)",
  async (protocol) => {
    await using opened = await openPage();
    const before = proxy.accepted;
    const seen = await opened.page.evaluate(
      async ([url, store, protocol]) => {
        const { client, web } = streamkit;
        const transport = web.createWebTransport({ baseUrl: url, protocol: protocol as "auto" });
        const space = client
          .createStreamkitClient({ transport })
          .store(store)
          .space("s")
          .withCodec(client.json<number>());
        const follows = Array.from({ length: 20 }, async (_, i) => {
          const segment = space.segment(`s${i}`);
          const values: number[] = [];
          const onCaughtUp = () => void segment.produce([i, i + 1]);
          for await (const { value } of segment.follow({ limit: 2, onCaughtUp })) values.push(value);
          return values;
        });
        const values = await Promise.all(follows);
        return [client.transportDescription(transport)?.protocol?.(), ...values.flat()];
      },
      [baseUrl, crypto.randomUUID(), protocol],
    );
    expect(seen).toEqual(["websocket", ...Array.from({ length: 20 }, (_, i) => [i, i + 1]).flat()]);
    expect(proxy.accepted - before).toBe(1);
  },
);

test("a follow goes on over an outage, and at once when the page is online again", async () => {
  await using opened = await openPage();
  const { page } = opened;
  const store = crypto.randomUUID();
  const following = page.evaluate(
    async ([url, store]) => {
      const { client, websocket } = streamkit;
      const transport = websocket.createWebSocketTransport({ baseUrl: url });
      // No pause of these ends before the test does.
      const retry = { initialDelayMillis: 3_000_000, maxDelayMillis: 3_000_000, maxAttempts: 1_000 };
      const onRetry = () => document.body.append("retry ");
      const segment = client.createStreamkitClient({ transport, retry, onRetry }).store(store).space("s").segment("a");
      const payloads: number[] = [];
      const onCaughtUp = () => document.body.append("live ");
      for await (const { payload } of segment.follow({ limit: 2, onCaughtUp })) payloads.push(payload[0]);
      return payloads;
    },
    [baseUrl, store],
  );
  const write = (value: number) =>
    page.evaluate(
      async ([url, store, value]) => {
        const { client, web } = streamkit;
        const transport = web.createWebTransport({ baseUrl: url });
        const space = client.createStreamkitClient({ transport }).store(store).space("s");
        await space.segment("a").publish(Uint8Array.of(Number(value)));
      },
      [baseUrl, store, String(value)],
    );
  const text = () => page.evaluate(() => document.body.textContent);
  await expect.poll(text).toContain("live");
  await write(1);
  const { target } = proxy;
  proxy.target = undefined;
  proxy.cut();
  await expect.poll(text).toContain("retry");
  proxy.target = target;
  await write(2);
  await page.evaluate(() => void dispatchEvent(new Event("online")));
  expect(await following).toEqual([1, 2]);
});

test("a page of an origin that the server does not allow opens no socket, and learns what to allow", async () => {
  await using opened = await openPage("other.test");
  const error = await opened.page.evaluate(
    async ([url, store]) => {
      const { client, websocket } = streamkit;
      const transport = websocket.createWebSocketTransport({ baseUrl: url });
      const segment = client.createStreamkitClient({ transport }).store(store).space("s").segment("a");
      const { reason, message } = await segment.status().then(
        () => ({ reason: "none", message: "" }),
        (thrown) => thrown,
      );
      return { reason, message };
    },
    [baseUrl, crypto.randomUUID()],
  );
  expect(error.reason).toBe("MISCONFIGURED");
  expect(error.message).toContain(`allows the origin http://other.test:${browser.port}`);
});
