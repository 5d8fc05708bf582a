import assert from "node:assert/strict";
import { Inbox } from "./inbox.ts";
import { type BusContractTests, newTopic } from "./suite.ts";

const text = (content: string) => Buffer.from(content);

export function describeDelivery({ describe, it }: BusContractTests): void {
  describe("delivery", () => {
    it("reaches every listener, in the publishing process and in others", async (context) => {
      const { bus, other, patienceMillis, makeBus } = context;
      const topic = newTopic();
      const inboxes = [bus, bus, other, await makeBus()].map((place) => new Inbox(place, topic, patienceMillis));
      for (const inbox of inboxes) await inbox.open(bus);
      bus.publish(topic, text("news"));
      for (const inbox of inboxes) {
        await inbox.holds(1);
        assert.deepEqual(inbox.texts(), ["news"]);
      }
    });

    it("goes both ways", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inboxes = [bus, other].map((place) => new Inbox(place, topic, patienceMillis));
      for (const inbox of inboxes) for (const publisher of [bus, other]) await inbox.open(publisher);
      bus.publish(topic, text("one"));
      for (const inbox of inboxes) await inbox.holds(1);
      other.publish(topic, text("two"));
      for (const inbox of inboxes) {
        await inbox.holds(2);
        assert.deepEqual(inbox.texts(), ["one", "two"]);
      }
    });

    it("calls a function once per subscription of it", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inbox = new Inbox(bus, topic, patienceMillis);
      await inbox.open(other);
      const heard: string[] = [];
      const listener = (message: Uint8Array) => void heard.push(Buffer.from(message).toString());
      const subscriptions = [bus.subscribe(topic, listener), bus.subscribe(topic, listener)];
      other.publish(topic, text("twice"));
      await inbox.holds(1);
      subscriptions[0][Symbol.dispose]();
      other.publish(topic, text("once"));
      await inbox.holds(2);
      assert.deepEqual(heard, ["twice", "twice", "once"]);
    });

    it("keeps topics apart", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      // Names that an implementation would mix up if it matched prefixes or patterns, or folded case.
      const inboxes = [topic, `${topic}-`, `${topic}x`, topic.toUpperCase()].map(
        (name) => new Inbox(bus, name, patienceMillis),
      );
      for (const inbox of inboxes) await inbox.open(other);
      for (const inbox of inboxes) other.publish(inbox.topic, text(inbox.topic));
      for (const inbox of inboxes) {
        await inbox.holds(1);
        assert.deepEqual(inbox.texts(), [inbox.topic]);
      }
    });

    it("carries many topics, of up to 100 characters", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inboxes = Array.from({ length: 200 }, (_, index) => {
        return new Inbox(bus, `${topic}-${index}-`.padEnd(100, "x"), patienceMillis);
      });
      await Promise.all(inboxes.map((inbox) => inbox.open(other)));
      for (const inbox of inboxes) other.publish(inbox.topic, text(inbox.topic));
      for (const inbox of inboxes) {
        await inbox.holds(1);
        assert.deepEqual(inbox.texts(), [inbox.topic]);
      }
    });

    it("keeps the order of one publisher in ordinary operation", async ({ bus, other, patienceMillis }) => {
      const [even, odd] = [newTopic(), newTopic()];
      const heard: number[] = [];
      const inboxes = [even, odd].map((topic) => {
        other.subscribe(topic, (message) => {
          if (message.length === 4) heard.push(Buffer.from(message).readUInt32BE());
        });
        return new Inbox(other, topic, patienceMillis);
      });
      for (const inbox of inboxes) await inbox.open(bus);
      const numbers = Array.from({ length: 1_000 }, (_, index) => index);
      for (const number of numbers) {
        const message = Buffer.alloc(4);
        message.writeUInt32BE(number);
        bus.publish(number % 2 === 0 ? even : odd, message);
      }
      for (const inbox of inboxes) await inbox.holds(numbers.length / 2);
      assert.deepEqual(heard, numbers);
    });

    it("accepts a message to a topic without listeners", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      const inbox = new Inbox(other, topic, patienceMillis);
      await inbox.open(bus);
      bus.publish(newTopic(), text("to nobody"));
      bus.publish(topic, text("to somebody"));
      await inbox.holds(1);
    });
  });
}
