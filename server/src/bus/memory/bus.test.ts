import { describe, expect, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import { memoryBus } from "./index.ts";

describeBusContract({ name: "memory", runner: { describe, it }, makeBus: () => memoryBus() });

describe("a memory bus", () => {
  it("hears buses with its prefix only", async () => {
    const buses = ["one", "one", "other"].map((prefix) => memoryBus({ prefix }));
    const heard = buses.map(() => 0);
    for (const [index, bus] of buses.entries()) bus.subscribe("topic", () => void heard[index]++);
    buses[0].publish("topic", Uint8Array.of(1));
    await Promise.resolve();
    expect(heard).toEqual([1, 1, 0]);
    for (const bus of buses) await bus.close();
  });

  it("does not call listeners from inside publish", async () => {
    await using bus = closing(memoryBus());
    let heard = 0;
    bus.subscribe("topic", () => void heard++);
    bus.publish("topic", Uint8Array.of(1));
    expect(heard).toBe(0);
    await Promise.resolve();
    expect(heard).toBe(1);
  });

  it("drops the messages of one task beyond a bound", async () => {
    await using bus = closing(memoryBus());
    let heard = 0;
    bus.subscribe("topic", () => void heard++);
    const publish = () => {
      for (let i = 0; i < 100; i++) bus.publish("topic", new Uint8Array(64 * 1024));
    };
    publish();
    await Promise.resolve();
    expect(heard).toBe(15);
    publish();
    await Promise.resolve();
    expect(heard).toBe(30);
  });
});

function closing(bus: ReturnType<typeof memoryBus>) {
  return Object.assign(bus, { [Symbol.asyncDispose]: () => bus.close() });
}
