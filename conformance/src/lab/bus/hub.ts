import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { FrameReader, frameOf } from "./frames.ts";

/** The centre of a bus for tests: every connection receives the messages of all connections. */
export interface Hub extends AsyncDisposable {
  readonly port: number;
}

/**
 * Most bytes that wait for one connection. Further messages are dropped, because a bus waits for no receiver, not even
 * a frozen one.
 */
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
