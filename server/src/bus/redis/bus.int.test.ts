import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import type { BusServer } from "../test/bus-server.ts";
import { startRedis } from "../test/redis.ts";
import { eventually } from "../test/state-log.ts";
import { redisBus } from "./index.ts";

let server: BusServer | undefined;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server?.stop());

describeBusContract({ name: "redis", runner: { describe, it }, makeBus: () => redisBus(server!.url) });

it("does not hear buses with another prefix on the same server", async () => {
  const buses = ["one", "one:a", "one.a"].map((prefix) => redisBus(server!.url, { prefix }));
  const heard = buses.map((): number[] => []);
  for (const [index, bus] of buses.entries()) bus.subscribe("topic", ([value]) => heard[index]!.push(value!));
  await eventually("all hear themselves", () => {
    for (const [index, bus] of buses.entries()) bus.publish("topic", Uint8Array.of(index));
    return heard.every((values) => values.length > 0);
  });
  expect(heard.map((values) => [...new Set(values)])).toEqual([[0], [1], [2]]);
  for (const bus of buses) await bus.close();
});
