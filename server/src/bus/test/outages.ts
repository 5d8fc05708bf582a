/** Tests of outages, the same for every bus with a server. They run against the real servers. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import type { Bus } from "../port.ts";
import type { RemoteBusOptions } from "../remote/options.ts";
import type { BusServer } from "./bus-server.ts";
import { eventually, StateLog } from "./state-log.ts";

const MIB = 1024 * 1024;

export interface OutageOptions {
  readonly name: string;
  start(): Promise<BusServer>;
  makeBus(url: string, options: RemoteBusOptions): Bus;
  /** Connections of one bus. */
  readonly connections: number;
}

/** Declares the tests. Call it at the top level of a test file. */
export function describeOutages({ name, start, makeBus, connections }: OutageOptions): void {
  const used: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of used.splice(0)) await end();
  });

  async function startServer(): Promise<BusServer> {
    const server = await start();
    used.push(() => server.stop());
    return server;
  }

  function open(url: string, options: RemoteBusOptions = {}) {
    const log = new StateLog();
    const bus = makeBus(url, { onStateChange: log.onStateChange, ...options });
    used.unshift(() => bus.close());
    return { bus, log };
  }

  /** Resolves once a message of one bus arrives at the other. */
  async function flows(from: Bus, to: Bus): Promise<void> {
    let heard = 0;
    using _ = to.subscribe("flow", () => void heard++);
    await eventually("messages flow", () => {
      from.publish("flow", Uint8Array.of(1));
      return heard > 0;
    });
  }

  describe(`outages of ${name}`, () => {
    it("a server that dies and restarts gets all subscriptions again", async () => {
      const server = await startServer();
      const { bus, log } = open(server.url);
      const other = open(server.url);
      const heard = { kept: 0, disposed: 0, added: 0 };
      bus.subscribe("kept", () => void heard.kept++);
      const disposed = bus.subscribe("disposed", () => void heard.disposed++);
      await Promise.all([log.reach("up"), other.log.reach("up")]);
      for (let round = 1; round <= 3; round++) {
        await server.kill();
        const down = Array.from({ length: round }, () => "up down").join(" ");
        await Promise.all([log.reach(down), other.log.reach(down)]);
        expect(log.lastError).toMatch(/closed the connection|cannot be reached \(E\w+\)/);
        disposed[Symbol.dispose]();
        for (let i = 0; i < 100; i++) bus.publish("kept", new Uint8Array(1_000));
        if (round === 1) bus.subscribe("added", () => void heard.added++);
        await server.restart();
        await Promise.all([log.reach(`${down} up`), other.log.reach(`${down} up`)]);
        const before = { ...heard };
        await eventually("messages flow again", () => {
          for (const topic of ["disposed", "kept", "added"]) other.bus.publish(topic, Uint8Array.of(1));
          return heard.kept > before.kept && heard.added > before.added;
        });
        expect(heard.disposed).toBe(0);
      }
    });

    it("a server that starts after the bus is found", async () => {
      const server = await startServer();
      await server.kill();
      const { bus, log } = open(server.url);
      let heard = 0;
      bus.subscribe("topic", () => void heard++);
      bus.publish("topic", Uint8Array.of(1));
      await log.reach("down");
      expect(log.lastError).toMatch(/cannot be reached \(ECONNREFUSED\); check the URL/);
      await server.restart();
      await log.reach("down up");
      await flows(bus, bus);
      bus.publish("topic", Uint8Array.of(1));
      await eventually("the message arrives", () => heard === 1);
    });

    it("a stopped server costs neither time nor memory, and is detected", async () => {
      const server = await startServer();
      const { bus, log } = open(server.url, { heartbeatMillis: 5_000 });
      bus.subscribe("topic", () => {});
      await log.reach("up");
      await flows(bus, bus);
      server.pause();
      const message = new Uint8Array(64 * 1024).fill(1);
      const before = memory();
      const times: number[] = [];
      for (let i = 0; i < 4_096; i++) {
        const start = performance.now();
        bus.publish("topic", message);
        times.push(performance.now() - start);
        // Give the sockets a turn, so that they fill.
        if (i % 16 === 0) await nextTurn();
      }
      // The test publishes 256 MiB. The bus keeps at most 1 MiB of that; the rest is garbage of the test.
      expect(memory() - before).toBeLessThan(24 * MIB);
      // No publish waits for the server. A busy machine may delay all calls together, but not half of them one by one.
      expect(times.sort((a, b) => a - b)[times.length / 2]).toBeLessThan(1);
      expect(times.reduce((sum, time) => sum + time)).toBeLessThan(10_000);
      await log.reach("up down");
      expect(log.lastError).toMatch(/does not answer within 5000 ms$/);
      bus.publish("topic", message);
      server.resume();
      await log.reach("up down up");
      await flows(bus, bus);
    });

    it("many small messages to a stopped server are bounded too", async () => {
      const server = await startServer();
      const { bus, log } = open(server.url, { heartbeatMillis: 60_000 });
      await log.reach("up");
      server.pause();
      const before = memory();
      for (let i = 0; i < 500_000; i++) {
        bus.publish("topic", Uint8Array.of(1));
        if (i % 1_000 === 0) await nextTurn();
      }
      expect(memory() - before).toBeLessThan(48 * MIB);
      server.resume();
      await flows(bus, bus);
      expect(log.states).toEqual(["up"]);
    });

    it("attempts to reach a silent server leave no sockets behind", async () => {
      const silent = await startSilentServer();
      used.push(silent.stop);
      const scheme = new URL((await startServer()).url).protocol;
      const { bus, log } = open(`${scheme}//127.0.0.1:${silent.port}`, { heartbeatMillis: 50 });
      await eventually("there were some attempts", () => silent.accepted() >= 4 * connections);
      expect(log.states).toEqual(["down"]);
      expect(silent.open()).toBeLessThanOrEqual(2 * connections);
      await bus.close();
      await eventually("all sockets are closed", () => silent.open() === 0);
    });

    it.each([
      ["a server that answers", "up", async (server: BusServer) => server],
      ["a server that answers, before its first answer", "at once", async (server: BusServer) => server],
      ["no server", "down", stopped],
      ["a stopped server", "at once", paused],
      ["a stopped server, during the next attempt", "down", paused],
      ["a machine that does not answer", "at once", deaf],
    ] as const)("close ends everything at once with %s", async (_, when, prepare) => {
      const server = await startServer();
      const target = await prepare(server);
      if (target !== server) used.push(() => target.stop());
      const scheme = new URL(server.url).protocol;
      const file = fileURLToPath(new URL("close-process.ts", import.meta.url));
      const url = `${scheme}//127.0.0.1:${target.port}`;
      const child = await promisify(execFile)(process.execPath, ["--conditions=@streamkit/source", file, url, when], {
        timeout: 25_000,
      });
      expect(child.stderr).toBe("");
      // The machine of this other process may be busy. The heartbeat, which `close` must not wait for, is a minute.
      expect(Number(child.stdout)).toBeLessThan(5_000);
    });
  });
}

const stopped = async (server: BusServer) => {
  await server.kill();
  return server;
};

const paused = async (server: BusServer) => {
  server.pause();
  return server;
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes in use, without garbage that the collector has not found yet. */
function memory(): number {
  // The first collection finds the garbage; the second one releases large buffers.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

interface SilentServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** A server that accepts connections and never sends a byte. */
async function startSilentServer(): Promise<SilentServer & { accepted(): number; open(): number }> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    accepted: () => accepted,
    open: () => sockets.size,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A port that answers no attempt to connect, like one behind a firewall that swallows packets. */
async function deaf(): Promise<SilentServer> {
  // The queue has room for two connections, and nobody accepts them: the process blocks once it has printed its port.
  const script = `
    const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, server.address().port + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const [port] = await once(child.stdout, "data");
  const queued = Array.from({ length: 8 }, () => connect(Number(port), "127.0.0.1").on("error", () => {}));
  await once(queued[0], "connect");
  return {
    port: Number(port),
    async stop() {
      for (const socket of queued) socket.destroy();
      process.off("exit", kill);
      kill();
      await exited;
    },
  };
}
