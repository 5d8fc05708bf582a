import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { launchChromium } from "./launch.ts";
import { openSleepyPage, type SleepyPage } from "./sleepy-page.ts";

/** `window.streamkit` in the pages of the tests: the whole client, and the transports for browsers. */
export interface PageModules {
  readonly client: typeof import("../../src/index.ts");
  readonly web: typeof import("../../src/web.ts");
  readonly websocket: typeof import("../../src/websocket.ts");
}

/** A browser, and a web server for the page that has the client in it. */
export interface TestBrowser extends AsyncDisposable {
  /** Port of the web server: any name with the ending `.test` leads to this machine. */
  readonly port: number;
  /** Opens the page under a name, in a profile of its own. */
  open(host: string): Promise<Page>;
  /**
   * Opens the page without the automation that keeps pages visible and in focus, so that Chromium hides and freezes it.
   */
  openSleepy(host: string): Promise<SleepyPage>;
}

const ENTRY = `
import * as client from "./clients/ts/src/index.ts";
import * as web from "./clients/ts/src/web.ts";
import * as websocket from "./clients/ts/src/websocket.ts";
window.streamkit = { client, web, websocket };
`;

/** Starts Chromium, without a window, and without anything that would call home. */
export async function startBrowser(): Promise<TestBrowser> {
  const bundled = build({
    stdin: { contents: ENTRY, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2024",
    conditions: ["@streamkit/source"],
  });
  const [script, browser] = await Promise.all([bundled, launchChromium()]);
  const server = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    const page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/client.js"></script>';
    response.end(isScript ? script.outputFiles[0].text : page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async open(host) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.goto(`http://${host}:${port}/`);
      await page.waitForFunction(() => "streamkit" in globalThis);
      return page;
    },
    async openSleepy(host) {
      const page = await openSleepyPage(browser, `http://${host}:${port}/`);
      await page.waitFor('"streamkit" in globalThis');
      return page;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
