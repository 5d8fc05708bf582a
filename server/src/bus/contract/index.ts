/**
 * The contract of a bus, as a test suite for every implementation:
 *
 *     import { describe, it } from "vitest";
 *     import { describeBusContract } from "@streamkit/server/contract";
 *
 *     describeBusContract({ name: "my bus", runner: { describe, it }, makeBus: () => myBus() });
 */
import { describeDelivery } from "./delivery.ts";
import { describeLifecycle } from "./lifecycle.ts";
import { describeMessages } from "./messages.ts";
import { type BusContractOptions, busContractTests } from "./suite.ts";

export type { BusContractOptions } from "./suite.ts";

/** Declares the tests of the contract. Call it at the top level of a test file. */
export function describeBusContract(options: BusContractOptions): void {
  options.runner.describe(`bus contract: ${options.name}`, () => {
    const tests = busContractTests(options);
    describeDelivery(tests);
    describeMessages(tests);
    describeLifecycle(tests);
  });
}
