import type { CDPSession } from "playwright-core";
import { expect, test } from "vitest";
import type { PageModules } from "./chromium.ts";
import { PAGE_HOST, pageLab } from "./server-for-pages.ts";

declare const streamkit: PageModules;
/** What a page has seen of its follow: its entries, how often it was at the head, and how often it tried again. */
declare const seen: { values: number[]; live: number; retries: number };

/** No pause of this length ends before the test does. */
const ENDLESS_MILLIS = 3_000_000;

const lab = pageLab();

interface FollowOptions {
  readonly url: string;
  readonly store: string;
  /** Pause between attempts. */
  readonly pauseMillis: number;
}

/** Runs in a page: follows segment `a` into `seen`. */
function follow({ url, store, pauseMillis }: FollowOptions): void {
  const { client, websocket } = streamkit;
  const found = { values: [] as number[], live: 0, retries: 0 };
  Object.assign(globalThis, { seen: found });
  const following = async () => {
    const segment = client
      .createStreamkitClient({
        transport: websocket.createWebSocketTransport({
          ...{ baseUrl: url, pingIntervalMillis: 3_000_000, pingTimeoutMillis: 1_000 },
        }),
        retry: { initialDelayMillis: pauseMillis, maxDelayMillis: pauseMillis, maxAttempts: 100_000 },
        onRetry: () => {
          found.retries += 1;
        },
      })
      .store(store)
      .space("s")
      .withCodec(client.json<number>())
      .segment("a");
    const onCaughtUp = () => {
      found.live += 1;
    };
    for await (const { value } of segment.follow({ onCaughtUp })) found.values.push(value);
  };
  void following();
}

/** Cuts the page off, or connects it again, as far as Chromium is concerned. */
async function setOffline(tools: CDPSession, offline: boolean): Promise<void> {
  await tools.send("Network.enable");
  const speeds = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  await tools.send("Network.emulateNetworkConditions", { offline, ...speeds });
}

test("a follow goes on over a killed server and its restart, without a gap or a repetition", async () => {
  const page = await lab.browser.open(PAGE_HOST);
  const store = crypto.randomUUID();
  await page.evaluate(follow, { url: lab.server.url, store, pauseMillis: 50 });
  await page.waitForFunction(() => seen.live > 0);
  for (const value of [1, 2, 3]) await lab.server.segment(store, "a").publish(value);
  await page.waitForFunction(() => seen.values.length === 3);
  await lab.server.kill();
  await page.waitForFunction(() => seen.retries > 1);
  await lab.server.restart();
  for (const value of [4, 5, 6]) await lab.server.segment(store, "a").publish(value);
  await page.waitForFunction(() => seen.values.length >= 6);
  expect(await page.evaluate(() => seen.values)).toEqual([1, 2, 3, 4, 5, 6]);
  await page.context().close();
});

test("a follow goes on when an offline page is online again", async () => {
  const page = await lab.browser.open(PAGE_HOST);
  const store = crypto.randomUUID();
  const tools = await page.context().newCDPSession(page);
  await page.evaluate(follow, { url: lab.server.url, store, pauseMillis: 50 });
  await page.waitForFunction(() => seen.live > 0);
  await setOffline(tools, true);
  await page.waitForFunction(() => !navigator.onLine);
  await lab.server.segment(store, "a").publish(1);
  lab.server.proxy.cut();
  // The socket of the page is gone, and no other one opens.
  const opened = lab.server.proxy.accepted;
  await setOffline(tools, false);
  await page.waitForFunction(() => seen.values.length > 0);
  await lab.server.segment(store, "a").publish(2);
  await page.waitForFunction(() => seen.values.length > 1);
  expect(await page.evaluate(() => [navigator.onLine, seen.values])).toEqual([true, [1, 2]]);
  expect(lab.server.proxy.accepted).toBe(opened + 1);
  await page.context().close();
});

/** Opens a page that follows, and is live. */
async function openSleepy(store: string, pauseMillis: number) {
  const page = await lab.browser.openSleepy(PAGE_HOST);
  const options: FollowOptions = { url: lab.server.url, store, pauseMillis };
  await page.evaluate(`(${follow})(${JSON.stringify(options)})`);
  await page.waitFor("seen.live > 0");
  return page;
}

test("a frozen page, whose socket Chromium closes, reads on when it wakes up, in the background too", async () => {
  const store = crypto.randomUUID();
  await using page = await openSleepy(store, 50);
  await page.setState("frozen");
  await lab.server.segment(store, "a").publish(1);
  // Another call later the page still has nothing.
  await lab.server.segment(store, "other").publish(1);
  expect(await page.evaluate("seen.values.length")).toBe(0);
  await page.setState("active");
  await page.waitFor("seen.values.length === 1");
  await lab.server.segment(store, "a").publish(2);
  await page.waitFor("seen.values.length === 2");
  expect(await page.evaluate("[document.visibilityState, ...seen.values]")).toEqual(["hidden", 1, 2]);
});

test("a page whose socket broke while it slept opens another one as soon as it is visible", async () => {
  const store = crypto.randomUUID();
  await using page = await openSleepy(store, ENDLESS_MILLIS);
  await page.setState("frozen");
  await lab.server.segment(store, "a").publish(1);
  lab.server.proxy.cut();
  await page.setState("active");
  await page.waitFor("seen.retries > 0");
  expect(await page.evaluate("document.visibilityState")).toBe("hidden");
  await page.show();
  await page.waitFor("seen.values.includes(1)");
  await lab.server.segment(store, "a").publish(2);
  await page.waitFor("seen.values.length === 2");
});

test("a page whose network went away without a word asks its socket when it is online again, and opens another", async () => {
  const page = await lab.browser.open(PAGE_HOST);
  const store = crypto.randomUUID();
  await page.evaluate(follow, { url: lab.server.url, store, pauseMillis: 50 });
  await page.waitForFunction(() => seen.live > 0);
  const opened = lab.server.proxy.accepted;
  lab.server.proxy.freeze();
  await lab.server.segment(store, "a").publish(1);
  const tools = await page.context().newCDPSession(page);
  await setOffline(tools, true);
  await page.waitForFunction(() => !navigator.onLine);
  await setOffline(tools, false);
  await page.waitForFunction(() => seen.values.length > 0);
  expect(await page.evaluate(() => seen.values)).toEqual([1]);
  expect(lab.server.proxy.accepted).toBe(opened + 1);
  await page.context().close();
});
