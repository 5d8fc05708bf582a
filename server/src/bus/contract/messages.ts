import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Inbox } from "./inbox.ts";
import { type BusContractTests, newTopic } from "./suite.ts";

export function describeMessages({ describe, it }: BusContractTests): void {
  describe("messages", () => {
    it("are bytes of every value and arrive as they were sent", async ({ bus, other, patienceMillis }) => {
      const all = Uint8Array.from({ length: 256 }, (_, value) => value);
      const messages = [
        all,
        all.toReversed(),
        Buffer.from("\r\n+OK\r\nPING\r\n$0\r\n\r\n*1\r\n"),
        new Uint8Array(1),
        new Uint8Array(0),
        randomBytes(1_000),
        randomBytes(64 * 1024),
      ];
      const inbox = new Inbox(other, newTopic(), patienceMillis);
      await inbox.open(bus);
      for (const message of messages) bus.publish(inbox.topic, message);
      await inbox.holds(messages.length);
      for (const [index, message] of inbox.messages.entries()) {
        assert.ok(Buffer.from(messages[index]).equals(message), `message ${index} was changed`);
      }
    });

    it("may be part of a larger buffer", async ({ bus, other, patienceMillis }) => {
      const inbox = new Inbox(other, newTopic(), patienceMillis);
      await inbox.open(bus);
      bus.publish(inbox.topic, Buffer.from("before:the message:after").subarray(7, 18));
      await inbox.holds(1);
      assert.deepEqual(inbox.texts(), ["the message"]);
    });

    it("belong to their listener, and the publisher keeps its buffer", async ({ bus, other, patienceMillis }) => {
      const topic = newTopic();
      // These listeners come first, and overwrite the buffers they get.
      for (const place of [bus, other]) place.subscribe(topic, (message) => message.fill(0x58));
      const inboxes = [bus, other].map((place) => new Inbox(place, topic, patienceMillis));
      for (const inbox of inboxes) await inbox.open(bus);
      const buffer = Buffer.from("one");
      bus.publish(topic, buffer);
      assert.equal(buffer.toString(), "one");
      buffer.write("two");
      bus.publish(topic, buffer);
      buffer.fill(0x59);
      for (const inbox of inboxes) {
        await inbox.holds(2);
        assert.deepEqual(inbox.texts(), ["one", "two"]);
      }
      assert.equal(buffer.toString(), "YYY");
    });
  });
}
