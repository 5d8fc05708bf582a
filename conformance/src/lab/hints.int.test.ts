/** The purpose of the bus: followers at other instances need not wait for the next poll. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Calls } from "./calls.ts";
import { Cluster } from "./cluster.ts";

const space = "orders";
/** Much longer than a hint takes, much shorter than the poll interval. */
const PATIENCE_MILLIS = 20_000;

let cluster: Cluster | undefined;

beforeAll(async () => {
  // No request is held here. A long timeout avoids that a busy Azurite fails a call, which nobody would repeat.
  cluster = await Cluster.start({ instances: 2, pollMillis: 600_000, requestTimeoutMillis: 10_000 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it("a follower at another instance receives an entry right after its append", { timeout: 60_000 }, async () => {
  const storeId = randomUUID();
  const [here, elsewhere] = cluster!.members.map((member) => new Calls(member, storeId, space)) as [Calls, Calls];
  await here.append({ s: "stored" });
  const stop = new AbortController();
  const live = Promise.withResolvers<void>();
  let entries = 0;
  const following = (async () => {
    const request = { storeId, space, follow: true, limit: 2n };
    for await (const { batches, caughtUp } of elsewhere.stream.consumeSpace(request, { signal: stop.signal })) {
      entries += batches.length;
      if (caughtUp) live.resolve();
    }
  })();
  await live.promise;
  await here.append({ s: "live" });
  const timer = setTimeout(() => stop.abort(), PATIENCE_MILLIS);
  await following.catch(() => undefined);
  clearTimeout(timer);
  for (const each of [here, elsewhere]) each[Symbol.dispose]();
  expect(entries).toBe(2);
});
