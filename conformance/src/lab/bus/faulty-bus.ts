import { fromBinary } from "@bufbuild/protobuf";
import { NotificationSchema } from "@streamkit/protocol/notification";
import type { Bus } from "@streamkit/server";
import { Random } from "../random.ts";
import type { BusWeather } from "./bus-weather.ts";
import { forge } from "./forge.ts";

type Listener = (message: Uint8Array) => void;

/**
 * A bus that applies its weather to the messages of another bus (fault 19). Streams must be complete in any weather:
 * hints may only change latency.
 */
export class FaultyBus implements Bus {
  readonly kind: string;
  readonly location: string;
  readonly #inner: Bus;
  readonly #random: Random;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #subscribed = new Map<Listener, string>();
  /** Names seen in messages. Forged messages about existing spaces do more harm. */
  readonly #spaces = new Set<string>();
  #weather: BusWeather;

  constructor(inner: Bus, weather: BusWeather, seed: number) {
    this.kind = inner.kind;
    this.location = inner.location;
    this.#inner = inner;
    this.#weather = weather;
    this.#random = new Random(seed);
    this.#forgeNext();
  }

  set weather(weather: BusWeather) {
    this.#weather = weather;
  }

  publish(topic: string, message: Uint8Array): void {
    if (!this.#weather.dead) this.#inner.publish(topic, message);
  }

  subscribe(topic: string, listener: Listener): Disposable {
    // A new function for each subscription keeps two subscriptions of the same listener apart.
    const mine: Listener = (message) => listener(message);
    this.#subscribed.set(mine, topic);
    const subscription = this.#inner.subscribe(topic, (message) => this.#deliver(mine, message));
    return {
      [Symbol.dispose]: () => {
        this.#subscribed.delete(mine);
        subscription[Symbol.dispose]();
      },
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#subscribed.clear();
    await this.#inner.close();
  }

  #deliver(listener: Listener, message: Uint8Array): void {
    const { lose, repeat, delayMillis, dead } = this.#weather;
    this.#learn(message);
    if (dead || this.#random.chance(lose)) return;
    const times = this.#random.chance(repeat) ? 2 + this.#random.below(3) : 1;
    for (let time = 0; time < times; time++) {
      // A copy for each listener, because the listener owns its buffer.
      const copy = message.slice();
      if (delayMillis === 0) listener(copy);
      else this.#later(this.#random.below(delayMillis), () => this.#subscribed.has(listener) && listener(copy));
    }
  }

  #learn(message: Uint8Array): void {
    try {
      for (const { space } of fromBinary(NotificationSchema, message).spaces) this.#spaces.add(space);
    } catch {
      // The message is a forgery.
    }
  }

  #forgeNext(): void {
    const { forgeMillis } = this.#weather;
    this.#later(forgeMillis === 0 ? 100 : forgeMillis, () => {
      if (forgeMillis > 0) {
        for (const [listener, topic] of this.#subscribed) listener(forge(this.#random, topic, [...this.#spaces]));
      }
      this.#forgeNext();
    });
  }

  #later(millis: number, action: () => unknown): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, millis);
    timer.unref();
    this.#timers.add(timer);
  }
}
