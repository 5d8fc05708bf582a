/** Fault 19: whatever the bus does, appends work, and followers are complete by polling. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BusWeatherName } from "./bus/bus-weather.ts";
import { Calls } from "./calls.ts";
import { Cluster } from "./cluster.ts";

const space = "orders";

let cluster: Cluster | undefined;

beforeAll(async () => {
  // Nothing is held here: a request that is given up is one that Azurite was too busy for, and nobody makes the call
  // again.
  cluster = await Cluster.start({ instances: 2, requestTimeoutMillis: 10_000 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it.each<BusWeatherName>(["dead", "lossy", "forging", "wild"])(
  "followers are complete when the bus is %s",
  { timeout: 120_000 },
  async (name) => {
    const { members } = cluster!;
    const storeId = randomUUID();
    const calls = members.map((member) => new Calls(member, storeId, space));
    await Promise.all(members.map(({ instance }) => instance.setWeather(name)));
    const total = 30;
    const following = calls.map((each) => each.follow(total));
    for (let n = 0; n < total; n++) await calls[n % 2]!.append({ [`s${n % 3}`]: `${n}` });
    const texts = Array.from({ length: total }, (_, n) => `${n}`);
    for (const entries of await Promise.all(following)) expect(entries.map(({ text }) => text)).toEqual(texts);
    // Nobody has been taken in by a message so far as to fail.
    expect(members.flatMap(({ instance }) => instance.failures)).toEqual([]);
    for (const each of calls) each[Symbol.dispose]();
  },
);
