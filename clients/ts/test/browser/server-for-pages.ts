import { afterAll, beforeAll } from "vitest";
import { type FlakyProxy, flakyProxy } from "../../../../conformance/src/lab/flaky-proxy.ts";
import { type ServerProcess, startServer, temporaryFolder } from "../../../../server/test/server-process.ts";
import type { SegmentHandle } from "../../src/index.ts";
import { createStreamkitClient, json } from "../../src/index.ts";
import { createNodeTransport } from "../../src/node.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";

/** A server process on a disk, behind a proxy that a test can cut. */
interface ServerForPages extends AsyncDisposable {
  readonly proxy: FlakyProxy;
  /** Address of the proxy for pages, under a host name that no page has. */
  readonly url: string;
  /** A segment of space `s`, for writes that do not pass through the proxy. */
  segment(store: string, name: string): SegmentHandle<number, number>;
  /** Kills the server process. */
  kill(): Promise<void>;
  /** Starts another server process on the same folder. */
  restart(): Promise<void>;
}

/** The host of the pages. */
export const PAGE_HOST = "app.test";

/** A browser, and a server that its pages on PAGE_HOST may call. */
export interface PageLab {
  readonly browser: TestBrowser;
  readonly server: ServerForPages;
}

/** Starts a browser and a server before the tests of a file, and ends both after them. */
export function pageLab(): PageLab {
  let browser: TestBrowser | undefined;
  let server: ServerForPages | undefined;
  beforeAll(async () => {
    browser = await startBrowser();
    server = await startServerForPages(`http://${PAGE_HOST}:${browser.port}`);
  }, 120_000);
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  return {
    get browser() {
      return browser as TestBrowser;
    },
    get server() {
      return server as ServerForPages;
    },
  };
}

/** Starts a server that the pages of one origin may call. */
async function startServerForPages(origin: string): Promise<ServerForPages> {
  const folder = await temporaryFolder();
  const start = () => startServer(folder.path, "--cors-origin", origin, "--allowed-host", "streams.test");
  let server: ServerProcess = await start();
  const portOf = ({ url }: ServerProcess) => Number(new URL(url).port);
  const proxy = await flakyProxy(portOf(server));
  const kill = async () => {
    await server.end("SIGKILL");
  };
  return {
    proxy,
    url: proxy.url.replace("127.0.0.1", "streams.test"),
    segment(store, name) {
      const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.url }) });
      return client.store(store).space("s").withCodec(json<number>()).segment(name);
    },
    kill,
    async restart() {
      server = await start();
      proxy.target = portOf(server);
    },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
