import { describe, it } from "vitest";
import { describePartitionContract } from "../contract/index.ts";
import { memoryStorage } from "./index.ts";

describePartitionContract({ name: "memory", runner: { describe, it }, makeStorage: () => memoryStorage() });

describePartitionContract({
  name: "memory, shared",
  runner: { describe, it },
  makeStorage: () => memoryStorage({ shared: true }),
});
