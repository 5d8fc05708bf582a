import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { FrameReader, frameOf } from "./frames.ts";

/** The middle of a bus for tests: what one connection sends, all get. */
export interface Hub extends AsyncDisposable {
  readonly port: number;
}

/** Beyond it, messages to one connection are dropped: a bus waits for nobody, be they frozen. */
const MAX_QUEUED_BYTES = 1024 * 1024;

/** Opens a hub on a free port of the loopback interface. */
export async function openHub(): Promise<Hub> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const frames = new FrameReader();
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      for (const { topic, message } of frames.read(chunk)) {
        const frame = frameOf(topic, message);
        for (const each of sockets) if (each.writableLength < MAX_QUEUED_BYTES) each.write(frame);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
