import assert from "node:assert/strict";
import type { Bus } from "../port.ts";
import { Inbox } from "./inbox.ts";
import { type BusContractTests, newTopic } from "./suite.ts";

const text = (content: string) => Buffer.from(content);

export function describeLifecycle({ describe, it }: BusContractTests): void {
  describe("lifecycle", () => {
    it("takes messages and listeners from its first moment", async ({ makeBus, patienceMillis }) => {
      const bus = await makeBus();
      const topic = newTopic();
      bus.publish(topic, text("may be lost"));
      const inbox = new Inbox(bus, topic, patienceMillis);
      bus.publish(topic, text("may be lost"));
      await inbox.open(bus);
      bus.publish(topic, text("arrives"));
      const before = inbox.messages.length;
      await inbox.holds(before + 1);
      assert.equal(inbox.texts().at(-1), "arrives");
    });

    it("delivers nothing to a disposed listener", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inboxes = [0, 1, 2].map(() => new Inbox(other, topic, patienceMillis));
      for (const inbox of inboxes) await inbox.open(bus);
      inboxes[0][Symbol.dispose]();
      inboxes[0][Symbol.dispose]();
      bus.publish(topic, text("news"));
      for (const inbox of inboxes.slice(1)) await inbox.holds(1);
      assert.deepEqual(inboxes[0].texts(), []);
    });

    it("stops delivering to a listener that is disposed while messages arrive", async (context) => {
      const { bus, other, patienceMillis } = context;
      const topic = newTopic();
      const inbox = new Inbox(other, topic, patienceMillis);
      await inbox.open(bus);
      const heard: string[] = [];
      // Each listener disposes the other one, so only one of the two may receive messages.
      const pair: Disposable[] = [0, 1].map((index) =>
        other.subscribe(topic, (message) => {
          heard.push(Buffer.from(message).toString());
          pair[1 - index][Symbol.dispose]();
        }),
      );
      bus.publish(topic, text("one"));
      bus.publish(topic, text("two"));
      await inbox.holds(2);
      assert.deepEqual(heard, ["one", "two"]);
    });

    it("listens to a topic again after its last listener has gone", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const marker = new Inbox(other, newTopic(), patienceMillis);
      await marker.open(bus);
      for (let round = 1; round <= 10; round++) {
        const inbox = new Inbox(other, topic, patienceMillis);
        await inbox.open(bus);
        bus.publish(topic, text("heard"));
        await inbox.holds(1);
        inbox[Symbol.dispose]();
        bus.publish(topic, text("unheard"));
        bus.publish(marker.topic, text("over"));
        await marker.holds(round);
        assert.deepEqual(inbox.texts(), ["heard"]);
      }
      // All within one task: only the final state counts.
      for (let round = 0; round < 10; round++) new Inbox(other, topic, patienceMillis)[Symbol.dispose]();
      await new Inbox(other, topic, patienceMillis).open(bus);
    });

    it("delivers to the other listeners when one throws", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inboxes: Inbox[] = [];
      for (const place of [bus, other]) {
        inboxes.push(new Inbox(place, topic, patienceMillis));
        place.subscribe(topic, () => {
          throw new Error("a listener of the contract suite throws");
        });
        inboxes.push(new Inbox(place, topic, patienceMillis));
      }
      for (const inbox of inboxes) await inbox.open(bus);
      bus.publish(topic, text("one"));
      bus.publish(topic, text("two"));
      for (const inbox of inboxes) {
        await inbox.holds(2);
        assert.deepEqual(inbox.texts(), ["one", "two"]);
      }
    });

    it("has no patterns: special characters in a topic reach no other topic", async ({
      bus,
      other,
      patienceMillis,
    }) => {
      const inbox = new Inbox(other, newTopic(), patienceMillis);
      await inbox.open(bus);
      const strange = [
        "",
        "*",
        ">",
        "?",
        "contract-*",
        `${inbox.topic}*`,
        `${inbox.topic}.>`,
        "a\r\nb",
        "x".repeat(101),
      ];
      const astray: string[] = [];
      for (const topic of strange) {
        listenIfAllowed(other, topic, (message) => {
          if (Buffer.from(message).toString() === "news") astray.push(topic);
        });
        bus.publish(topic, text("astray"));
      }
      bus.publish(inbox.topic, text("news"));
      await inbox.holds(1);
      assert.deepEqual([inbox.texts(), astray], [["news"], []]);
    });

    it("does nothing once it is closed, and can be closed twice", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inboxes = [bus, other].map((place) => new Inbox(place, topic, patienceMillis));
      for (const inbox of inboxes) await inbox.open(bus);
      const subscription = bus.subscribe(topic, () => {});
      await Promise.all([bus.close(), bus.close()]);
      await bus.close();
      bus.publish(topic, text("from a closed bus"));
      const late = new Inbox(bus, topic, patienceMillis);
      await inboxes[1].open(other);
      other.publish(topic, text("to all who live"));
      await inboxes[1].holds(1);
      assert.deepEqual(inboxes[1].texts(), ["to all who live"]);
      assert.deepEqual([...inboxes[0].texts(), ...late.texts()], []);
      subscription[Symbol.dispose]();
      late[Symbol.dispose]();
    });

    it("closes at once, even right after its creation", async ({ makeBus }) => {
      const bus = await makeBus();
      bus.subscribe(newTopic(), () => {});
      const start = performance.now();
      await bus.close();
      const millis = performance.now() - start;
      assert.ok(millis < 1_000, `close took ${Math.round(millis)} ms`);
    });

    it("names its kind and location", async ({ bus, other }) => {
      assert.match(bus.kind, /^\S+$/);
      assert.notEqual(bus.location, "");
      assert.deepEqual([other.kind, other.location], [bus.kind, bus.location]);
    });
  });
}

/** A bus may refuse to listen to an invalid topic. Publishing to one must have no effect. */
function listenIfAllowed(bus: Bus, topic: string, listener: (message: Uint8Array) => void): void {
  try {
    bus.subscribe(topic, listener);
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error));
  }
}
