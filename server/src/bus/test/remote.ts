/** The tests for every bus over a server. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import type { Bus } from "../port.ts";
import type { RemoteBusOptions } from "../remote/options.ts";
import type { BusServer } from "./bus-server.ts";
import { eventually } from "./state-log.ts";

/** Declares the contract tests on a server of this kind, and the tests of buses that share a server. */
export function describeRemoteBus(
  name: string,
  start: () => Promise<BusServer>,
  makeBus: (url: string, options?: RemoteBusOptions) => Bus,
): void {
  let server: BusServer | undefined;

  beforeAll(async () => {
    server = await start();
  });

  afterAll(() => server?.stop());

  describeBusContract({ name, runner: { describe, it }, makeBus: () => makeBus(server!.url) });

  it("does not hear buses with another prefix on the same server", async () => {
    const buses = ["one", "one:a", "one.a"].map((prefix) => makeBus(server!.url, { prefix }));
    const heard = buses.map((): number[] => []);
    for (const [index, bus] of buses.entries()) bus.subscribe("topic", ([value]) => heard[index].push(value!));
    await eventually("every bus hears itself", () => {
      for (const [index, bus] of buses.entries()) bus.publish("topic", Uint8Array.of(index));
      return heard.every((values) => values.length > 0);
    });
    expect(heard.map((values) => [...new Set(values)])).toEqual([[0], [1], [2]]);
    for (const bus of buses) await bus.close();
  });
}
