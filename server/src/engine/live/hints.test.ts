import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { NotificationSchema } from "@streamkit/protocol/notification";
import { expect, it } from "vitest";
import { memoryBus } from "../../bus/memory/index.ts";
import { Hints } from "./hints.ts";

const storeId = "00000000-0000-4000-8000-000000000001";

/** An instance that listens, and the names that it was told. */
function makeListener(bus = memoryBus()) {
  const heard: string[] = [];
  const hints = new Hints(bus, storeId, {
    onSpace: (space) => heard.push(space),
    onWorkers: (group) => heard.push(group),
    onDeleted: () => heard.push("(deleted)"),
  });
  hints.listen();
  return { bus, hints, heard };
}

it("sends any number of names, in messages of bounded size", async () => {
  const { bus, heard, hints } = makeListener();
  const sender = new Hints(bus, storeId, { onSpace() {}, onWorkers() {}, onDeleted() {} });
  const sizes: number[] = [];
  bus.subscribe(storeId, (message) => sizes.push(message.byteLength));
  const names = Array.from({ length: 1_000 }, (_, i) => `${i}`.padEnd(255, "x"));
  for (const name of names) {
    sender.spaceChanged(`s${name}`.slice(0, 255), Number.MAX_SAFE_INTEGER);
    sender.workersChanged(`g${name}`.slice(0, 255));
  }
  await expect.poll(() => heard.length).toBe(2_000);
  expect(new Set(heard).size).toBe(2_000);
  expect(Math.max(...sizes)).toBeLessThan(65_536);
  sender.close();
  hints.close();
});

/** Cause: a forged message of a megabyte, with half a million empty names, cost far more than a look at the storage. */
it("ignores messages that no instance sends, without decoding them", async () => {
  const { bus, heard, hints } = makeListener();
  const forge = (bytes: number) => {
    const notification = create(NotificationSchema, { storeId, instanceId: "forged", spaces: [{ space: "s" }] });
    // A field that nobody knows fills the message.
    const message = toBinary(NotificationSchema, notification);
    const filler = Buffer.alloc(bytes - message.byteLength);
    filler.set([0x7a, ...varint(filler.byteLength - 4)]);
    const forged = Buffer.concat([message, filler]);
    expect(fromBinary(NotificationSchema, forged).spaces).toHaveLength(1);
    bus.publish(storeId, forged);
  };
  forge(65_537);
  forge(1024 * 1024);
  forge(65_536);
  await expect.poll(() => heard).toEqual(["s"]);
  hints.close();
});

function varint(value: number): number[] {
  return [(value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14];
}
