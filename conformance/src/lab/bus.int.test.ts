/** Fault 19: with any fault of the bus, appends work, and polling lets followers see everything. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BusWeatherName } from "./bus/bus-weather.ts";
import { Calls } from "./calls.ts";
import { Cluster } from "./cluster.ts";

const space = "orders";

let cluster: Cluster | undefined;

beforeAll(async () => {
  // No request is held here. A long timeout avoids that a busy Azurite fails a call, which nobody would repeat.
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
    for (let n = 0; n < total; n++) await calls[n % 2].append({ [`s${n % 3}`]: `${n}` });
    const texts = Array.from({ length: total }, (_, n) => `${n}`);
    for (const entries of await Promise.all(following)) expect(entries.map(({ text }) => text)).toEqual(texts);
    // No message made an instance fail.
    expect(members.flatMap(({ instance }) => instance.failures)).toEqual([]);
    for (const each of calls) each[Symbol.dispose]();
  },
);
