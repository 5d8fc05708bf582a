/** The option --bus of the command line, with real processes and a real bus. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { BusServer } from "../src/bus/test/bus-server.ts";
import { startNats } from "../src/bus/test/nats.ts";
import { startRedis } from "../src/bus/test/redis.ts";
import { eventually } from "../src/bus/test/state-log.ts";
import { startServer } from "./server-process.ts";

/** Shared storage. These tests send it no requests. */
const SHARED = ["--storage", "azure", "--azure-connection-string", "UseDevelopmentStorage=true"];

afterEach(() => vi.unstubAllEnvs());

const start = (...args: string[]) => startServer("unused", ...args);

describe.each([
  ["redis", () => startRedis({ password: "bus-secret" })],
  ["nats", () => startNats({ user: "user", password: "bus-secret" })],
])("--bus with %s", (_, startBus: () => Promise<BusServer>) => {
  it("connects, reports each change in one line, and never shows the password", async () => {
    await using bus = await startBus();
    await using server = await start(...SHARED, "--bus", bus.url);
    const location = bus.url.replace(/\/\/.*@/, "//");
    // The storage does not exist, which the server reports as well.
    const lines = () =>
      server
        .errors()
        .split("\n")
        .filter((line) => line.includes("bus-changed: "));
    await eventually("it is connected", () => lines().length === 1);
    expect(lines()).toEqual([`streamkit: info: bus-changed: connected to ${location}`]);
    await bus.kill();
    await eventually("the loss is reported", () => lines().length === 2);
    expect(lines()[1]).toMatch(/^streamkit: warn: bus-changed: \w+ at \S+ .*; polling until it is back$/);
    await bus.restart();
    await eventually("it is connected again", () => lines().length === 3);
    expect(lines()[2]).toBe(lines()[0]);
    expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(lines().length).toBe(3);
    expect(server.errors()).not.toContain("secret");
  });

  it("starts and stops without the bus, and with a stopped one", async () => {
    await using bus = await startBus();
    const standStill = async () => {
      await bus.restart();
      bus.pause();
    };
    for (const fault of [bus.kill, standStill]) {
      await fault();
      await using server = await start(...SHARED, "--bus", bus.url);
      const begin = performance.now();
      expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
      // The machine of this other process may be busy. Waiting for the bus would take a heartbeat, which is 5 s.
      expect(performance.now() - begin).toBeLessThan(4_000);
    }
  });
});

describe("--bus", () => {
  it("may come from the environment, and is in the line with the address", async () => {
    await using bus = await startNats();
    vi.stubEnv("STREAMKIT_BUS", bus.url);
    await using server = await start(...SHARED);
    expect(server.line).toMatch(/ listens on http:\S+; data: http:\S+; bus: nats:\/\/127\.0\.0\.1:\d+$/);
    vi.stubEnv("STREAMKIT_BUS", "");
    await using without = await start(...SHARED);
    expect(without.line).toMatch(/ listens on http:\S+; data: http:\S+devstoreaccount1$/);
  });

  it("has no effect on unshared storage, and a warning says so", async () => {
    await using bus = await startNats();
    await using server = await start("--storage", "memory", "--bus", bus.url);
    expect(server.line).toMatch(/; data: memory of this process$/);
    expect(server.errors()).toBe(
      "streamkit: warn: unsafe-setup: --bus has no effect: no other server writes to memory storage\n",
    );
  });

  it.each([
    [
      "amqp://user:bus-secret@host",
      /--bus: expected a URL that begins with redis:\/\/, rediss:\/\/, nats:\/\/ or tls:/,
    ],
    ["bus-secret", /--bus: expected a URL that begins with redis:/],
    ["redis://user:bus#secret@host", /--bus: expected a URL of the form redis:/],
    ["nats://user:bus#secret@host", /--bus: expected a URL of the form nats:/],
  ])("refuses %s, with the expected form", async (url, message) => {
    const error: Error = await start(...SHARED, "--bus", url).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(error.message).toMatch(/ended with code 2/);
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/bus.secret/);
  });
});
