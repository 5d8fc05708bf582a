import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "../port.ts";

/**
 * Prefix of a knock: a message, numbered, that asks whether the subscription works yet. No test sends it as content.
 */
const KNOCK = "knock, knock ";
let knocks = 0;

/** A listener that keeps the messages it receives. */
export class Inbox implements Disposable {
  readonly topic: string;
  /** Messages in the order of their arrival, without knocks. */
  readonly messages: Uint8Array[] = [];
  #lastKnock = 0;
  readonly #subscription: Disposable;
  readonly #patienceMillis: number;

  constructor(bus: Bus, topic: string, patienceMillis: number) {
    this.topic = topic;
    this.#patienceMillis = patienceMillis;
    this.#subscription = bus.subscribe(topic, (message) => {
      const text = Buffer.from(message).toString("latin1");
      if (text.startsWith(KNOCK)) this.#lastKnock = Number(text.slice(KNOCK.length));
      else this.messages.push(message);
    });
  }

  /**
   * Resolves when messages of `publisher` arrive here. A subscription takes time, and the port does not say how long.
   * No knock is under way when the promise resolves.
   */
  async open(publisher: Bus): Promise<void> {
    const first = knocks + 1;
    let last = first;
    await eventually(this.#patienceMillis, "a message arrives", () => {
      knocks += 1;
      last = knocks;
      publisher.publish(this.topic, Buffer.from(KNOCK + last));
      return this.#lastKnock >= first;
    });
    await eventually(this.#patienceMillis, "all messages arrive", () => this.#lastKnock >= last);
  }

  /** Resolves when `count` messages are here. */
  async holds(count: number): Promise<void> {
    await eventually(this.#patienceMillis, `${count} messages arrive`, () => this.messages.length >= count);
    assert.equal(this.messages.length, count, "a message came twice, or one of another topic");
  }

  /** Messages as text. */
  texts(): string[] {
    return this.messages.map((message) => Buffer.from(message).toString());
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

/** Resolves when the condition holds; checks it every few milliseconds. */
async function eventually(patienceMillis: number, what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMillis;
  for (let millis = 0; !condition(); millis = Math.min(millis + 1, 10)) {
    assert.ok(Date.now() < deadline, `gave up after ${patienceMillis} ms waiting until ${what}`);
    await delay(millis);
  }
}
