/** Tests of the suite itself: a plain bus passes it, and a bus that breaks the contract in one point fails it. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Bus } from "../port.ts";
import { describeBusContract } from "./index.ts";

interface Subscription {
  readonly topic: string;
  readonly listener: (message: Uint8Array) => void;
}

class PlainBus implements Bus {
  readonly kind: string = "plain";
  readonly location: string = "this test";
  readonly place: Set<PlainBus>;
  subscriptions: Subscription[] = [];
  closed = false;

  constructor(place: Set<PlainBus>) {
    this.place = place;
    place.add(this);
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.closed) this.send(topic, new Uint8Array(message));
  }

  send(topic: string, message: Uint8Array): void {
    queueMicrotask(() => {
      for (const bus of this.place) bus.receive(topic, message, this);
    });
  }

  receive(topic: string, message: Uint8Array, _from: PlainBus): void {
    for (const subscription of [...this.subscriptions]) {
      if (!this.subscriptions.includes(subscription) || !this.isFor(subscription, topic)) continue;
      this.call(subscription, message);
    }
  }

  isFor(subscription: Subscription, topic: string): boolean {
    return subscription.topic === topic;
  }

  call({ listener }: Subscription, message: Uint8Array): void {
    try {
      listener(new Uint8Array(message));
    } catch {}
  }

  subscribe(topic: string, listener: (message: Uint8Array) => void): Disposable {
    const subscription = { topic, listener };
    if (!this.closed) this.subscriptions.push(subscription);
    return { [Symbol.dispose]: () => this.dispose(subscription) };
  }

  dispose(subscription: Subscription): void {
    this.subscriptions = this.subscriptions.filter((other) => other !== subscription);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.subscriptions = [];
  }
}

const MUTANTS: Record<string, new (place: Set<PlainBus>) => PlainBus> = {
  "is deaf to its own process": class extends PlainBus {
    override receive(topic: string, message: Uint8Array, from: PlainBus) {
      if (from !== this) super.receive(topic, message, from);
    }
  },
  "is deaf to other processes": class extends PlainBus {
    override receive(topic: string, message: Uint8Array, from: PlainBus) {
      if (from === this) super.receive(topic, message, from);
    }
  },
  "calls the last listener of a topic only": class extends PlainBus {
    override subscribe(topic: string, listener: Subscription["listener"]) {
      this.subscriptions = this.subscriptions.filter((other) => other.topic !== topic);
      return super.subscribe(topic, listener);
    }
  },
  "takes the same function once": class extends PlainBus {
    override subscribe(topic: string, listener: Subscription["listener"]) {
      this.subscriptions = this.subscriptions.filter((other) => other.listener !== listener);
      return super.subscribe(topic, listener);
    }
  },
  "delivers twice": class extends PlainBus {
    override call(subscription: Subscription, message: Uint8Array) {
      super.call(subscription, message);
      super.call(subscription, message);
    }
  },
  "takes topics for prefixes": class extends PlainBus {
    override isFor(subscription: Subscription, topic: string) {
      return topic.startsWith(subscription.topic);
    }
  },
  "does not tell upper from lower case": class extends PlainBus {
    override isFor(subscription: Subscription, topic: string) {
      return subscription.topic.toLowerCase() === topic.toLowerCase();
    }
  },
  "cuts topics off": class extends PlainBus {
    override isFor(subscription: Subscription, topic: string) {
      return subscription.topic.slice(0, 48) === topic.slice(0, 48);
    }
  },
  "knows a wildcard": class extends PlainBus {
    override isFor(subscription: Subscription, topic: string) {
      return subscription.topic === ">" || super.isFor(subscription, topic);
    }
  },
  "takes messages for text": class extends PlainBus {
    override send(topic: string, message: Uint8Array) {
      super.send(topic, Buffer.from(Buffer.from(message).toString()));
    }
  },
  "drops long messages": class extends PlainBus {
    override send(topic: string, message: Uint8Array) {
      if (message.length < 64 * 1024) super.send(topic, message);
    }
  },
  "drops empty messages": class extends PlainBus {
    override send(topic: string, message: Uint8Array) {
      if (message.length > 0) super.send(topic, message);
    }
  },
  "sends the whole buffer": class extends PlainBus {
    override publish(topic: string, message: Uint8Array) {
      super.publish(topic, new Uint8Array(message.buffer));
    }
  },
  "sends the buffer as it is later": class extends PlainBus {
    override publish(topic: string, message: Uint8Array) {
      if (!this.closed) this.send(topic, message);
    }
  },
  "gives all listeners the same buffer": class extends PlainBus {
    override call({ listener }: Subscription, message: Uint8Array) {
      try {
        listener(message);
      } catch {}
    }
  },
  "changes the order": class extends PlainBus {
    #held: (() => void) | undefined;
    override send(topic: string, message: Uint8Array) {
      const send = () => super.send(topic, message);
      if (message.length === 4 && this.#held === undefined) {
        this.#held = send;
        return;
      }
      send();
      this.#held?.();
      this.#held = undefined;
    }
  },
  "throws when it is not connected yet": class extends PlainBus {
    #connected = false;
    override publish(topic: string, message: Uint8Array) {
      queueMicrotask(() => {
        this.#connected = true;
      });
      if (!this.#connected) throw new Error("not connected");
      super.publish(topic, message);
    }
  },
  "forgets listeners that subscribed before it was connected": class extends PlainBus {
    #connected = false;
    override subscribe(topic: string, listener: Subscription["listener"]) {
      if (this.#connected) return super.subscribe(topic, listener);
      queueMicrotask(() => {
        this.#connected = true;
      });
      return { [Symbol.dispose]() {} };
    }
  },
  "cannot dispose": class extends PlainBus {
    override dispose() {}
  },
  "disposes all listeners of a topic": class extends PlainBus {
    override dispose({ topic }: Subscription) {
      this.subscriptions = this.subscriptions.filter((other) => other.topic !== topic);
    }
  },
  "delivers to the listeners at the time of arrival, disposed or not": class extends PlainBus {
    override receive(topic: string, message: Uint8Array) {
      for (const subscription of this.subscriptions) if (subscription.topic === topic) this.call(subscription, message);
    }
  },
  "listens to a topic once in its life": class extends PlainBus {
    readonly #disposed = new Set<string>();
    override subscribe(topic: string, listener: Subscription["listener"]) {
      if (this.#disposed.has(topic)) return { [Symbol.dispose]() {} };
      return super.subscribe(topic, listener);
    }
    override dispose(subscription: Subscription) {
      this.#disposed.add(subscription.topic);
      super.dispose(subscription);
    }
  },
  "lets a listener break the delivery": class extends PlainBus {
    override receive(topic: string, message: Uint8Array) {
      try {
        for (const { topic: own, listener } of [...this.subscriptions]) {
          if (own === topic) listener(new Uint8Array(message));
        }
      } catch {}
    }
  },
  "publishes when closed": class extends PlainBus {
    override publish(topic: string, message: Uint8Array) {
      this.send(topic, new Uint8Array(message));
    }
  },
  "delivers when closed": class extends PlainBus {
    override async close() {
      this.closed = true;
    }
  },
  "listens when closed": class extends PlainBus {
    override subscribe(topic: string, listener: Subscription["listener"]) {
      const subscription = { topic, listener };
      this.subscriptions.push(subscription);
      return { [Symbol.dispose]: () => this.dispose(subscription) };
    }
  },
  "cannot be closed twice": class extends PlainBus {
    override async close() {
      if (this.closed) throw new Error("closed already");
      await super.close();
    }
  },
  "takes a while to close when it was not used": class extends PlainBus {
    #used = false;
    override receive(...message: Parameters<PlainBus["receive"]>) {
      this.#used = true;
      super.receive(...message);
    }
    override async close() {
      if (!this.#used) await delay(1_100);
      await super.close();
    }
  },
  "does not say where it is": class extends PlainBus {
    override readonly location = "";
  },
};

/**
 * Runs the suite on a bus up to the first failing test. Resolves with the name of that test, undefined if all passed.
 */
async function firstFailure(make: (place: Set<PlainBus>) => Bus, patienceMillis: number): Promise<string | undefined> {
  const tests: { name: string; run: () => Promise<void> }[] = [];
  let place: Set<PlainBus>;
  describeBusContract({
    name: "under test",
    runner: { describe: (_name, declare) => declare(), it: (name, run) => tests.push({ name, run }) },
    makeBus: () => make(place),
    patienceMillis,
  });
  for (const { name, run } of tests) {
    place = new Set();
    const passed = await run().then(
      () => true,
      () => false,
    );
    if (!passed) return name;
  }
  return undefined;
}

it("passes a plain bus", async () => {
  expect(await firstFailure((place) => new PlainBus(place), 10_000)).toBeUndefined();
});

it.each(Object.entries(MUTANTS))("does not pass a bus that %s", async (_name, Mutant) => {
  expect(await firstFailure((place) => new Mutant(place), 50)).toBeDefined();
});
