import { describePartitionContract } from "@streamkit/server/contract";
import { describe, it } from "vitest";
import { mapStorage } from "./map-storage.ts";

describePartitionContract({ name: "maps in memory", runner: { describe, it }, makeStorage: () => mapStorage() });
