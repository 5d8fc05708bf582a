import { randomUUID } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { NotificationSchema } from "@streamkit/protocol/notification";
import type { Random } from "../random.ts";

type Lie = Exclude<MessageInitShape<typeof NotificationSchema>, { $typeName: string }>;

const LARGEST = 2n ** 64n - 1n;

/**
 * Forges a message: an absurd or false hint, or bytes that are no message.
 *
 * @param spaces names of existing spaces
 */
export function forge(random: Random, storeId: string, spaces: readonly string[]): Uint8Array {
  const lies: readonly (() => Lie)[] = [
    () => ({ spaces: spaces.map((space) => change(space, LARGEST)) }),
    () => ({ spaces: spaces.map((space) => change(space, 0n)) }),
    () => ({ spaces: spaces.map((space) => change(space, BigInt(random.below(1_000)))) }),
    () => ({ spaces: [change(`no-${random.below(1_000)}`, 7n), change("", 1n), change("\u0000", LARGEST)] }),
    () => ({ spaces: Array.from({ length: 200 }, (_, index) => change(`space-${index}`, LARGEST)) }),
    () => ({ storeDeleted: true }),
    () => ({ storeId: randomUUID(), storeDeleted: true }),
    () => ({ storeId: "no UUID", instanceId: "" }),
    () => ({ workerGroups: ["group", "", "group"] }),
  ];
  if (random.chance(0.1)) return Uint8Array.from({ length: random.below(60) }, () => random.below(256));
  const lie = lies[random.below(lies.length)];
  return toBinary(NotificationSchema, create(NotificationSchema, { instanceId: randomUUID(), storeId, ...lie() }));
}

function change(space: string, revision: bigint) {
  return { space, revision };
}
