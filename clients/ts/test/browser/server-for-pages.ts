import { type FlakyProxy, flakyProxy } from "../../../../conformance/src/lab/flaky-proxy.ts";
import { type ServerProcess, startServer, temporaryFolder } from "../../../../server/test/server-process.ts";
import type { SegmentHandle } from "../../src/index.ts";
import { createStreamkitClient, json } from "../../src/index.ts";
import { createNodeTransport } from "../../src/node.ts";

/** A server process on a disk, behind a proxy that a test can cut. */
export interface ServerForPages extends AsyncDisposable {
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

/** Starts a server that the pages of one origin may call. */
export async function startServerForPages(origin: string): Promise<ServerForPages> {
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
