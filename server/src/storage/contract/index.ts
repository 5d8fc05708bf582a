/**
 * The contract of a storage backend, as a test suite for every backend:
 *
 *     import { describe, it } from "vitest";
 *     import { describePartitionContract } from "@streamkit/server/contract";
 *
 *     describePartitionContract({ name: "my backend", runner: { describe, it }, makeStorage: () => myStorage() });
 */
import { describeAtomicity } from "./atomicity.ts";
import { describeConditions } from "./conditions.ts";
import { describeLifecycle } from "./lifecycle.ts";
import { describeModel } from "./model.ts";
import { describeOrder } from "./order.ts";
import { describePartitions } from "./partitions.ts";
import { describeRanges } from "./ranges.ts";
import { type ContractOptions, contractTests } from "./suite.ts";
import { describeValues } from "./values.ts";

export { type CommitFault, type FaultScript, faultyStorage } from "./faulty-storage.ts";
export type { ContractCapabilities, ContractOptions, TestRunner } from "./suite.ts";

/** Declares the tests of the contract. Call it at the top level of a test file. */
export function describePartitionContract(options: ContractOptions): void {
  options.runner.describe(`partition contract: ${options.name}`, () => {
    const tests = contractTests(options);
    describeOrder(tests);
    describeRanges(tests);
    describeValues(tests);
    describeConditions(tests);
    describeAtomicity(tests);
    describePartitions(tests);
    describeLifecycle(tests);
    describeModel(tests);
  });
}
