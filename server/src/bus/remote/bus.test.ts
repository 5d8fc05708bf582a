/** A remote bus against a scripted server, on a clock that the test advances. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RemoteBus } from "./bus.ts";
import type { Link, LinkEvents, Server } from "./link.ts";
import { checkOptions, type RemoteBusOptions } from "./options.ts";

const MIB = 1024 * 1024;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** One connection, seen from the server. */
class ScriptedLink implements Link {
  readonly events: LinkEvents;
  readonly server: string;
  /** Topics in the order of the requests; a leading "-" marks an unsubscription. */
  readonly requests: string[] = [];
  readonly published: { readonly topic: string; readonly bytes: number }[] = [];
  destroyed = 0;
  /** If true, the server answers probes at once; otherwise when the test calls `answer`. */
  answers = true;
  #subscribed = Promise.resolve();

  constructor(server: string, events: LinkEvents) {
    this.server = server;
    this.events = events;
  }

  publish(topic: string, message: Uint8Array) {
    this.published.push({ topic, bytes: message.length });
    if (this.answers && topic.startsWith("probe-")) queueMicrotask(() => this.events.message(topic, message));
  }

  answer() {
    this.events.message(this.published.findLast(({ topic }) => topic.startsWith("probe-"))!.topic, new Uint8Array());
  }

  subscribe(topic: string) {
    this.requests.push(topic);
    return this.#subscribed;
  }

  unsubscribe(topic: string) {
    this.requests.push(`-${topic}`);
  }

  destroy() {
    this.destroyed += 1;
  }

  messages() {
    return this.published.filter(({ topic }) => !topic.startsWith("probe-"));
  }

  probes() {
    return this.published.length - this.messages().length;
  }
}

function makeBus(options: RemoteBusOptions = {}, names = ["the server"]) {
  const links: ScriptedLink[] = [];
  const states: string[] = [];
  const servers: Server[] = names.map((name) => ({
    name,
    open(events) {
      const link = new ScriptedLink(name, events);
      links.push(link);
      return link;
    },
  }));
  const bus = new RemoteBus(
    "scripted",
    "here",
    servers,
    checkOptions({
      onStateChange: (connected, error) => states.push(connected ? "up" : `down: ${error?.message}`),
      ...options,
    }),
  );
  return { bus, links, states, last: () => links.at(-1)! };
}

async function open(link: ScriptedLink) {
  link.events.opened();
  await vi.advanceTimersByTimeAsync(0);
}

const nothing = () => {};

describe("a session", () => {
  it("is reported once messages flow, not when a socket is open", async () => {
    const { links, states } = makeBus();
    links[0].answers = false;
    await open(links[0]);
    expect(states).toEqual([]);
    links[0].answer();
    expect(states).toEqual(["up"]);
    links[0].answer();
    expect(states).toEqual(["up"]);
  });

  it("requests all topics with listeners, and then its own probe topic", async () => {
    const { bus, links } = makeBus();
    bus.subscribe("early", nothing);
    bus.subscribe("gone", nothing)[Symbol.dispose]();
    expect(links[0].requests).toEqual([]);
    await open(links[0]);
    bus.subscribe("late", nothing);
    const [early, probe, late] = links[0].requests;
    expect([early, late]).toEqual(["early", "late"]);
    expect(probe).toMatch(/^probe-/);
  });

  it("has one subscription for all listeners of a topic", async () => {
    const { bus, links } = makeBus();
    await open(links[0]);
    links[0].requests.length = 0;
    const subscriptions = [0, 1, 2].map(() => bus.subscribe("t", nothing));
    expect(links[0].requests).toEqual(["t"]);
    for (const subscription of subscriptions.slice(1)) subscription[Symbol.dispose]();
    expect(links[0].requests).toEqual(["t"]);
    subscriptions[0][Symbol.dispose]();
    subscriptions[0][Symbol.dispose]();
    expect(links[0].requests).toEqual(["t", "-t"]);
  });

  it("does not publish to an invalid topic", async () => {
    const { bus, links } = makeBus();
    await open(links[0]);
    for (const topic of ["", ">", "a b", "a\r\nPUB x 0\r\n", "x".repeat(101)]) bus.publish(topic, new Uint8Array(1));
    expect(links[0].messages()).toEqual([]);
    expect(() => bus.subscribe(">", nothing)).toThrow(TypeError);
  });

  it("is probed while nobody publishes, and sends nothing else", async () => {
    const { bus, links, states } = makeBus({ heartbeatMillis: 1_000 });
    await open(links[0]);
    expect(links[0].probes()).toBe(1);
    for (let i = 0; i < 100; i++) bus.publish("t", new Uint8Array(100));
    expect(links[0].probes()).toBe(1);
    await vi.advanceTimersByTimeAsync(10_500);
    expect(links[0].probes()).toBe(11);
    expect(states).toEqual(["up"]);
  });

  it("ends when the server is silent for longer than the heartbeat", async () => {
    const { links, states } = makeBus({ heartbeatMillis: 1_000 });
    await open(links[0]);
    links[0].answers = false;
    await vi.advanceTimersByTimeAsync(1_990);
    expect(states).toEqual(["up"]);
    await vi.advanceTimersByTimeAsync(20);
    expect(states).toEqual(["up", "down: the server does not answer within 1000 ms"]);
    expect(links[0].destroyed).toBe(1);
  });

  it("ends when it is not established within a heartbeat", async () => {
    for (const opened of [false, true]) {
      const { bus, links, states } = makeBus({ heartbeatMillis: 1_000 });
      links[0].answers = false;
      if (opened) await open(links[0]);
      await vi.advanceTimersByTimeAsync(1_010);
      expect(states).toEqual([
        expect.stringMatching(/^down: the server does not answer within 1000 ms; check the URL/),
      ]);
      expect(links[0].destroyed).toBe(1);
      await bus.close();
    }
  });

  it("survives a busy process in which the answer already waits", async () => {
    const { links, states } = makeBus({ heartbeatMillis: 1_000 });
    await open(links[0]);
    links[0].answers = false;
    await vi.advanceTimersByTimeAsync(1_500);
    // Timers run before sockets are read: the deadline has passed when the answer is found.
    vi.advanceTimersByTime(500);
    links[0].answer();
    await vi.advanceTimersByTimeAsync(10);
    expect(states).toEqual(["up"]);
  });

  it("ignores a connection that has ended", async () => {
    const { bus, links, states } = makeBus();
    let heard = 0;
    bus.subscribe("t", () => void heard++);
    await open(links[0]);
    links[0].events.lost(new Error("gone"));
    links[0].events.lost(new Error("gone again"));
    links[0].events.message("t", new Uint8Array());
    links[0].events.opened();
    expect([heard, states, links[0].destroyed]).toEqual([0, ["up", "down: gone"], 1]);
  });
});

describe("messages that the server does not read", () => {
  it("are dropped while there is no session", async () => {
    const { bus, links } = makeBus();
    bus.publish("t", new Uint8Array(1));
    links[0].answers = false;
    await open(links[0]);
    bus.publish("t", new Uint8Array(2));
    links[0].answer();
    bus.publish("t", new Uint8Array(3));
    links[0].events.lost(new Error("gone"));
    bus.publish("t", new Uint8Array(4));
    expect(links[0].messages()).toEqual([{ topic: "t", bytes: 3 }]);
  });

  it.each([64 * 1024, 100, 0])("are dropped beyond a bound, with %i bytes each", async (bytes) => {
    const { bus, links } = makeBus();
    await open(links[0]);
    links[0].answers = false;
    const cost = bytes + 1 + 200;
    const fill = () => {
      for (let i = 0; i < (4 * MIB) / cost; i++) bus.publish("t", new Uint8Array(bytes));
    };
    fill();
    const room = Math.floor(MIB / cost);
    expect(links[0].messages().length).toBe(room);
    expect(links[0].probes()).toBe(2);
    // The bus sent the probe when half of the room was full. The answer confirms that half, so as much fits again.
    links[0].answer();
    fill();
    expect(links[0].messages().length).toBeGreaterThan(1.45 * room);
    expect(links[0].messages().length).toBeLessThan(1.55 * room);
    links[0].answer();
    fill();
    expect(links[0].messages().length).toBeGreaterThan(1.9 * room);
  });

  it("take no room of the next session", async () => {
    const { bus, links } = makeBus();
    await open(links[0]);
    links[0].answers = false;
    for (let i = 0; i < 100; i++) bus.publish("t", new Uint8Array(64 * 1024));
    links[0].events.lost(new Error("gone"));
    await vi.advanceTimersByTimeAsync(200);
    await open(links[1]);
    bus.publish("t", new Uint8Array(64 * 1024));
    expect(links[1].messages().length).toBe(1);
  });
});

describe("a server that is down", () => {
  it("is reported once, and dialled forever, with pauses of a few seconds at most", async () => {
    const { links, states, last } = makeBus();
    const times: number[] = [];
    for (let attempt = 1; attempt <= 500; attempt++) {
      const start = performance.now();
      last().events.lost(new Error(`refused ${attempt}`));
      while (links.length === attempt) await vi.advanceTimersByTimeAsync(10);
      times.push(performance.now() - start);
    }
    expect(states).toEqual(["down: refused 1"]);
    expect(times[0]).toBeLessThan(150);
    expect(Math.max(...times)).toBeLessThanOrEqual(3_010);
    expect(Math.min(...times.slice(10))).toBeGreaterThanOrEqual(1_500);
    expect(new Set(times.slice(10)).size).toBeGreaterThan(10);
    await open(last());
    expect(states).toEqual(["down: refused 1", "up"]);
  });

  it("gets all subscriptions again when it is back", async () => {
    const { bus, links, states } = makeBus();
    const heard: number[] = [];
    bus.subscribe("a", (message) => heard.push(message.length));
    const b = bus.subscribe("b", nothing);
    await open(links[0]);
    links[0].events.lost(new Error("gone"));
    b[Symbol.dispose]();
    bus.subscribe("c", nothing);
    await vi.advanceTimersByTimeAsync(200);
    await open(links[1]);
    expect(links[1].requests.filter((topic) => !topic.startsWith("probe-"))).toEqual(["a", "c"]);
    links[1].events.message("a", new Uint8Array(7));
    expect(heard).toEqual([7]);
    expect(states).toEqual(["up", "down: gone", "up"]);
  });

  it("that accepts and drops connections is dialled no more often than one that accepts none", async () => {
    const { links, last } = makeBus();
    let millis = 0;
    for (let attempt = 1; attempt <= 50; attempt++) {
      await open(last());
      last().events.lost(new Error("thrown out"));
      while (links.length === attempt) {
        await vi.advanceTimersByTimeAsync(10);
        millis += 10;
      }
    }
    expect(millis).toBeGreaterThan(50_000);
    // After a long connection, the next attempt comes soon again.
    await open(last());
    await vi.advanceTimersByTimeAsync(60_000);
    last().events.lost(new Error("thrown out"));
    await vi.advanceTimersByTimeAsync(150);
    expect(links.length).toBe(52);
  });

  it("takes turns with the other servers of the URL", async () => {
    const { links, last } = makeBus({}, ["a", "b", "c"]);
    for (let attempt = 1; attempt < 6; attempt++) {
      last().events.lost(new Error("refused"));
      while (links.length === attempt) await vi.advanceTimersByTimeAsync(10);
    }
    const order = links.map(({ server }) => server).join("");
    expect(["abcabc", "bcabca", "cabcab"]).toContain(order);
  });

  it("is dialled again even if onStateChange throws", async () => {
    const { links } = makeBus({
      onStateChange: () => {
        throw new Error("forbidden");
      },
    });
    links[0].events.lost(new Error("gone"));
    await vi.advanceTimersByTimeAsync(200);
    await open(links[1]);
    links[1].events.lost(new Error("gone"));
    await vi.advanceTimersByTimeAsync(300);
    expect(links.length).toBe(3);
  });
});

describe("close", () => {
  it.each(["connecting", "probing", "open", "pausing"])("leaves nothing behind of a bus that is %s", async (phase) => {
    const { bus, links, states } = makeBus();
    bus.subscribe("t", nothing);
    if (phase === "probing") links[0].answers = false;
    if (phase === "probing" || phase === "open") await open(links[0]);
    if (phase === "pausing") links[0].events.lost(new Error("gone"));
    const before = [...states];
    await bus.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(links[0].destroyed).toBeGreaterThan(0);
    const published = links[0].published.length;
    bus.publish("t", new Uint8Array(1));
    links[0].events.opened();
    links[0].events.lost(new Error("closed"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([links.length, links[0].published.length, states]).toEqual([1, published, before]);
    await bus.close();
  });

  it("may be called by onStateChange when the connection is lost", async () => {
    const closing: Promise<void>[] = [];
    const { bus, links } = makeBus({ onStateChange: () => closing.push(bus.close()) });
    links[0].events.lost(new Error("gone"));
    await Promise.all(closing);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([links.length, vi.getTimerCount()]).toEqual([1, 0]);
  });
});

describe("options", () => {
  it("that are invalid are refused", () => {
    for (const prefix of ["", " ", "a b", "a*", "a.>", ".a", "a.", "a..b", "a\n"]) {
      expect(() => checkOptions({ prefix }), prefix).toThrow(TypeError);
    }
    for (const heartbeatMillis of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 600_001]) {
      expect(() => checkOptions({ heartbeatMillis })).toThrow(TypeError);
    }
    expect(checkOptions({ prefix: "acme.streamkit:eu-1_b" }).heartbeatMillis).toBe(5_000);
  });
});
