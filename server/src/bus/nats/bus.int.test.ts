import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import type { BusServer } from "../test/bus-server.ts";
import { startNats } from "../test/nats.ts";
import { eventually } from "../test/state-log.ts";
import { natsBus } from "./index.ts";

let server: BusServer | undefined;

beforeAll(async () => {
  server = await startNats();
});

afterAll(() => server?.stop());

describeBusContract({ name: "nats", runner: { describe, it }, makeBus: () => natsBus(server!.url) });

it("does not hear buses with another prefix on the same server", async () => {
  const buses = ["one", "one:a", "one.a"].map((prefix) => natsBus(server!.url, { prefix }));
  const heard = buses.map((): number[] => []);
  for (const [index, bus] of buses.entries()) bus.subscribe("topic", ([value]) => heard[index]!.push(value!));
  await eventually("all hear themselves", () => {
    for (const [index, bus] of buses.entries()) bus.publish("topic", Uint8Array.of(index));
    return heard.every((values) => values.length > 0);
  });
  expect(heard.map((values) => [...new Set(values)])).toEqual([[0], [1], [2]]);
  for (const bus of buses) await bus.close();
});
