/**
 * Random messages on the bus. Hints of any content affect latency only. FUZZ_SEED and FUZZ_RUNS work as in the other
 * fuzzers.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { NotificationSchema } from "@streamkit/protocol/notification";
import { expect, it } from "vitest";
import { createStreamkit, memoryBus, type StreamkitEvent } from "../../src/index.ts";
import { memoryStorage } from "../../src/storage/memory/index.ts";
import { mutate, Random } from "./random.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 200);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const storeId = "00000000-0000-4000-8000-000000000001";
const NUMBERS = [0n, 1n, 7n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n];

it("a follower gets every entry once, in order, despite random hints", { timeout: 60_000 + RUNS * 100 }, async () => {
  const events: StreamkitEvent[] = [];
  const bus = memoryBus();
  const storage = memoryStorage({ shared: true });
  await using streamkit = createStreamkit({ storage, bus, pollMillis: 50, onEvent: (event) => events.push(event) });
  const client = createClient(StreamService, streamkit.transport());
  const append = () =>
    client.append({ storeId, space: "s", appends: [{ segment: "a", records: [{ payload: new Uint8Array(10) }] }] });
  const abort = new AbortController();
  const follower = client.consumeSpace({ storeId, space: "s", follow: true }, { signal: abort.signal });
  const messages = follower[Symbol.asyncIterator]();
  await messages.next();
  let next = 1n;
  for (let run = 0; run < RUNS; run++) {
    const random = new Random(SEED * 1_000_003 + run);
    const sound = create(NotificationSchema, {
      instanceId: random.of(["x", "", "other"]),
      storeId: random.of([storeId, storeId, "other", ""]),
      spaces: Array.from({ length: random.below(4) }, () => ({
        space: random.of(["s", "t", "", "x".repeat(300)]),
        revision: random.of(NUMBERS),
      })),
      workerGroups: random.chance(0.3) ? ["g", ""] : [],
      storeDeleted: random.chance(0.1),
    });
    const bytes = random.chance(0.3)
      ? random.bytes(random.below(100))
      : mutate(random, toBinary(NotificationSchema, sound));
    bus.publish(storeId, bytes);
    if (run % 10 !== 0) continue;
    await append();
    while (next <= BigInt(run / 10 + 1)) {
      const { value } = await messages.next();
      for (const { firstOffset, records } of value.batches) {
        expect(firstOffset).toBe(next);
        next += BigInt(records.length);
      }
    }
  }
  abort.abort();
  await messages.next().catch(() => undefined);
  expect(events).toEqual([]);
});
