import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { describePartitionContract } from "../contract/index.ts";
import { levelStorage } from "./index.ts";

describePartitionContract({
  name: "level",
  runner: { describe, it },
  makeStorage: async () => levelStorage({ path: await mkdtemp(join(tmpdir(), "streamkit-level-")) }),
  restartStorage: ({ location }) => levelStorage({ path: location }),
  removeStorage: ({ location }) => rm(location, { recursive: true, force: true }),
});
