import { connect, createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { keepAlive } from "./keepalive.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A session on the side of the server, and its client. */
async function openSession() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Http2Session>((resolve) => server.once("session", resolve));
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => undefined);
  const session = await accepted;
  session.on("error", () => undefined);
  const close = async (): Promise<void> => {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { session, client, close };
}

/** Cause: a ping between the destruction of a session and its "close" event threw in a timer and ended the process. */
it("ignores a session between its destruction and its close", async () => {
  const { session, close } = await openSession();
  keepAlive(session, 1_000);
  session.destroy();
  expect(() => vi.advanceTimersByTime(5_000)).not.toThrow();
  await close();
});

/**
 * Cause: after a standstill, the process ran its timers before it read its sockets, and cut every session although the
 * answers had arrived.
 */
it("keeps a session whose answer has arrived unread", async () => {
  const { session, close } = await openSession();
  await new Promise<void>((resolve) => session.once("remoteSettings", () => resolve()));
  let answer = (): void => undefined;
  const ping = vi.spyOn(session, "ping").mockImplementation((callback: unknown) => {
    answer = () => (callback as (error: null) => void)(null);
    return true;
  });
  keepAlive(session, 1_000);
  // Both intervals pass before the server reads anything.
  vi.advanceTimersByTime(2_000);
  answer();
  await new Promise((resolve) => setImmediate(resolve));
  expect(session.destroyed).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(ping).toHaveBeenCalledTimes(2);
  await close();
});

it("keeps a session that does not answer pings and sends other bytes", async () => {
  const { session, client, close } = await openSession();
  vi.spyOn(session, "ping").mockReturnValue(true);
  keepAlive(session, 1_000);
  for (let interval = 0; interval < 3; interval++) {
    vi.advanceTimersByTime(1_000);
    await new Promise<void>((resolve) => {
      client.request({ ":path": "/" }).on("error", () => undefined);
      session.once("stream", () => resolve());
    });
  }
  expect(session.destroyed).toBe(false);
  await close();
});

it("destroys a session whose client sends nothing", async () => {
  const { session, close } = await openSession();
  vi.spyOn(session, "ping").mockReturnValue(true);
  // The frames of the beginning of the session have arrived.
  await new Promise<void>((resolve) => session.once("remoteSettings", () => resolve()));
  const closed = new Promise<void>((resolve) => session.once("close", resolve));
  keepAlive(session, 1_000);
  while (!session.destroyed) {
    vi.advanceTimersByTime(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  await close();
});
