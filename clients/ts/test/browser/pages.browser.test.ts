import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { createStreamkit, memoryStorage, type Streamkit } from "@streamkit/server";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificate } from "../certificates.ts";
import { type PageModules, startBrowser, type TestBrowser } from "./chromium.ts";

declare const streamkit: PageModules;

const PAGE_HOST = "app.test";

let browser: TestBrowser;
let server: Streamkit;
/** The address of the server, under another name than the page's. */
let baseUrl: string;

beforeAll(async () => {
  browser = await startBrowser();
  server = createStreamkit({ storage: memoryStorage(), cors: [`http://${PAGE_HOST}:${browser.port}`] });
  const { port } = await server.listen({ port: 0, allowedHosts: ["streams.test"] });
  baseUrl = `http://streams.test:${port}`;
}, 120_000);

afterAll(async () => {
  await server?.close();
  await browser?.[Symbol.asyncDispose]();
});

/** Opens the page, and collects the lines of its console. */
async function openPage(host = PAGE_HOST): Promise<{ page: Page; said: string[] } & AsyncDisposable> {
  const page = await browser.open(host);
  const said: string[] = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  return { page, said, [Symbol.asyncDispose]: () => page.context().close() };
}

const storeId = () => crypto.randomUUID();

test("H11: on a page that is no secure context the client writes, reads and follows", async () => {
  await using opened = await openPage();
  const { page } = opened;
  expect(await page.evaluate(() => [isSecureContext, "randomUUID" in crypto])).toEqual([false, false]);
  const read = await page.evaluate(
    async ([url, store]) => {
      const { client, web } = streamkit;
      const transport = web.createWebTransport({ baseUrl: url });
      const space = client
        .createStreamkitClient({ transport })
        .store(store)
        .space("s")
        .withCodec(client.json<number>());
      const segment = space.segment("a");
      await segment.publish(1);
      await segment.produce([2, 3]);
      const values: (number | string)[] = [];
      for await (const entry of segment.consume()) values.push(entry.value);
      const onCaughtUp = () => void segment.publish(4);
      for await (const entry of segment.follow({ minSequence: 3, limit: 2, onCaughtUp })) values.push(entry.value);
      const worker = client.createStreamkitClient({ transport }).store(store);
      await worker.withLease("key", 5_000, async (lease) => values.push(typeof lease.fencingToken));
      return values;
    },
    [baseUrl, storeId()],
  );
  expect(read).toEqual([1, 2, 3, 3, 4, "bigint"]);
});

test("H10: over HTTP/1.1 the sixth follow is warned of on the console, once, and blocks calls until one ends", async () => {
  await using opened = await openPage();
  const { page, said } = opened;
  const outcome = await page.evaluate(
    async ([url, store]) => {
      const { client, web } = streamkit;
      const transport = web.createWebTransport({ baseUrl: url });
      const space = client.createStreamkitClient({ transport }).store(store).space("s");
      const ending = new AbortController();
      let live = 0;
      for (let i = 0; i < 7; i++) {
        const onCaughtUp = () => {
          live += 1;
        };
        const options = { signal: ending.signal, onCaughtUp };
        space
          .segment(`s${i}`)
          .follow(options)
          [Symbol.asyncIterator]()
          .next()
          .catch(() => {});
      }
      while (live < 6) await new Promise((resolve) => setTimeout(resolve, 10));
      const blocked = await Promise.race([
        space.status().then(() => "answered"),
        new Promise((resolve) => setTimeout(() => resolve("waits"), 500)),
      ]);
      ending.abort();
      await space.status();
      return [live, blocked];
    },
    [baseUrl, storeId()],
  );
  // The reason of the page's warning: the browser serves six streams, and no further call.
  expect(outcome).toEqual([6, "waits"]);
  expect(said).toEqual([expect.stringMatching(/^warning: .*6 streams are open.*HTTP\/1\.1.*docs\/browsers\.md/)]);
});

test("H10: over HTTP/2 any number of follows works, without a warning", async () => {
  const certificate = await makeCertificate("DNS:streams.test");
  const secure = createSecureServer({ ...certificate, allowHTTP1: true }, server.handler());
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = secure.address() as AddressInfo;
    await using opened = await openPage();
    const { page, said } = opened;
    const live = await page.evaluate(
      async ([url, store]) => {
        const { client, web } = streamkit;
        const transport = web.createWebTransport({ baseUrl: url });
        const space = client.createStreamkitClient({ transport }).store(store).space("s");
        const ending = new AbortController();
        const follows = Array.from({ length: 20 }, (_, i) => {
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          const options = { signal: ending.signal, onCaughtUp: resolve };
          space.segment(`s${i}`).follow(options)[Symbol.asyncIterator]().next().catch(reject);
          return promise;
        });
        await Promise.all(follows);
        await space.status();
        ending.abort();
        return follows.length;
      },
      [`https://streams.test:${port}`, storeId()],
    );
    expect(live).toBe(20);
    expect(said).toEqual([]);
  } finally {
    secure.close();
  }
});

/** The failure of a first call from a page, and how often it was tried again. */
function failureOf(page: Page, url: string, follow = false) {
  return page.evaluate(
    async ([url, store, follow]) => {
      const { client, web } = streamkit;
      let retries = 0;
      const started = performance.now();
      const segment = client
        .createStreamkitClient({
          transport: web.createWebTransport({ baseUrl: url }),
          retry: { maxAttempts: 2 },
          onRetry: () => (retries += 1),
        })
        .store(store)
        .space("s")
        .segment("a");
      try {
        await (follow ? segment.follow()[Symbol.asyncIterator]().next() : segment.status());
      } catch (error) {
        const { reason, message, retryable } = error as InstanceType<PageModules["client"]["StreamkitError"]>;
        return { reason, message, retryable, retries, millis: performance.now() - started };
      }
      throw new Error("it went well");
    },
    [url, storeId(), follow] as const,
  );
}

test("M13: a page whose origin the server does not allow is told so at once, with the option to set", async () => {
  await using opened = await openPage("elsewhere.test");
  for (const follow of [false, true]) {
    const failure = await failureOf(opened.page, baseUrl, follow);
    expect(failure).toMatchObject({ reason: "MISCONFIGURED", retryable: false, retries: 0 });
    expect(failure.message).toContain(`--cors-origin http://elsewhere.test:${browser.port}`);
    expect(failure.message).toContain(baseUrl);
  }
});

test("M13: a server that is not there is an outage, whose error says what may be the cause", async () => {
  await using opened = await openPage();
  const failure = await failureOf(opened.page, "http://streams.test:9");
  expect(failure).toMatchObject({ reason: "CONNECTION_LOST", retryable: true, retries: 1 });
  expect(failure.message).toMatch(/server or the network may be down.*GetSegmentStatus at http:\/\/streams\.test:9/);
});

test("M13: a web site in place of the server is told, from the page's own origin", async () => {
  await using opened = await openPage();
  const failure = await failureOf(opened.page, "/");
  expect(failure).toMatchObject({ reason: "MISCONFIGURED", retries: 0 });
  expect(failure.message).toMatch(/no Streamkit at this address.*text\/html/);
});
