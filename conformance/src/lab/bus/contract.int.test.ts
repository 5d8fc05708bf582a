import { describeBusContract } from "@streamkit/server/contract";
import { afterAll, beforeAll, describe, it } from "vitest";
import { BUS_WEATHER } from "./bus-weather.ts";
import { FaultyBus } from "./faulty-bus.ts";
import { type Hub, openHub } from "./hub.ts";
import { HubBus } from "./hub-bus.ts";

let hub: Hub;

beforeAll(async () => {
  hub = await openHub();
});

afterAll(() => hub[Symbol.asyncDispose]());

// In fair weather, the bus of the instances must be a bus like any other.
const runner = { describe, it };
describeBusContract({ name: "hub", runner, makeBus: () => new HubBus(hub.port) });
describeBusContract({
  name: "hub, in fair weather",
  runner,
  makeBus: () => new FaultyBus(new HubBus(hub.port), BUS_WEATHER.fair, 1),
});
