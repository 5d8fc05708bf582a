import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { WebSocketServer } from "ws";
import { launchChromium } from "../../../clients/ts/test/browser/launch.ts";
import type { ClientFactory } from "../suite/client/client-under-test.ts";
import { PAGE_ORIGIN, type Pages } from "../suite/client/pages.ts";
import { Started } from "../suite/run/started.ts";
import { decodeMessage, encodeMessage } from "./page/channel.ts";
import { PageClient } from "./page-client.ts";

/**
 * Starts Chromium with one page, in which clients under test live.
 *
 * @param entry the module of the page, which calls `serveClients`
 * @throws Error if there is no Chromium
 */
export async function startPages(entry = new URL("page/main.ts", import.meta.url)): Promise<Pages> {
  await using started = new Started();
  const script = await bundle(fileURLToPath(entry));
  const clients = new Map<number, PageClient>();
  let end: string | undefined;
  const lose = (message: string) => {
    end ??= message;
    for (const client of clients.values()) client.lost(end);
    clients.clear();
  };

  const server = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : PAGE);
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  started.defer(async () => {
    sockets.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const browser = await launchChromium([`MAP ${new URL(PAGE_ORIGIN).hostname} 127.0.0.1:${port}`]);
  started.defer(() => browser.close());
  const page = await browser.newPage();
  page.on("pageerror", (error) => lose(`the page threw: ${error.stack ?? error}`));
  page.on("crash", () => lose("the page has crashed"));
  const connected = new Promise<WebSocket>((resolve) =>
    sockets.once("connection", (socket) => resolve(socket as never)),
  );
  await page.goto(PAGE_ORIGIN);
  const socket = await connected;
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    const { client, bytes } = decodeMessage(data);
    clients.get(client)?.received(bytes);
    if (bytes.length === 0) clients.delete(client);
  };
  socket.onclose = () => lose("the page has ended");

  let last = 0;
  const client = (name: string): ClientFactory => {
    return async (observe) => {
      if (end !== undefined) throw new Error(end);
      last += 1;
      const number = last;
      const made = new PageClient(number, observe, (bytes) => socket.send(encodeMessage({ client: number, bytes })));
      clients.set(number, made);
      await made.open(name);
      return made;
    };
  };
  const running = started.move();
  return { client, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

const PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/client.js"></script>';

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2024",
    conditions: ["@streamkit/source"],
  });
  return outputFiles[0].text;
}
