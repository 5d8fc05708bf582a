import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { freePort } from "../../test/free-port.ts";
import { DialledSockets } from "./dialled-sockets.ts";

let server: Server;
let port: number;

beforeEach(async () => {
  server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  server.close();
  await once(server, "close");
});

async function open(port: number): Promise<Socket> {
  // A library opens its socket after looking up the name.
  await Promise.resolve();
  return connect(port, "127.0.0.1");
}

it("catches the sockets of its own code, and no others", async () => {
  const [one, other] = [new DialledSockets(), new DialledSockets()];
  const [first, second, mine] = await Promise.all([
    one.during(() => open(port)),
    other.during(() => open(port)),
    open(port),
  ]);
  const later = await open(port);
  await Promise.all([first, second, mine, later].map((socket) => once(socket, "connect")));
  one.destroy();
  expect([first, second, mine, later].map((socket) => socket.destroyed)).toEqual([true, false, false, false]);
  other.destroy();
  expect(second.destroyed).toBe(true);
  for (const socket of [mine, later]) socket.destroy();
});

it("destroys a socket opened after destroy, whether or not a server answers", async () => {
  for (const target of [port, await freePort()]) {
    const sockets = new DialledSockets();
    sockets.destroy();
    const events: string[] = [];
    const socket = await sockets.during(() => open(target));
    for (const event of ["connect", "error", "close"]) socket.on(event, () => events.push(event));
    await once(socket, "close");
    // An error would arrive now, without a listener: the NATS client stops listening once a socket has closed.
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual(["close"]);
    expect(socket.destroyed).toBe(true);
  }
});
