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

/** Cause: a destroyed session emits "close" later; a ping in between threw in a timer, and ended the process. */
it("leaves a session alone that was destroyed and has not closed yet", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const accepted = new Promise<Http2Session>((resolve) => server.once("session", resolve));
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => undefined);
  const session = await accepted;
  session.on("error", () => undefined);
  keepAlive(session, 1_000);
  session.destroy();
  expect(() => vi.advanceTimersByTime(5_000)).not.toThrow();
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
});
