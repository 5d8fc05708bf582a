import { afterAll, beforeAll, describe, it } from "vitest";
import { describePartitionContract } from "../contract/index.ts";
import { azureStorage } from "./index.ts";
import { type Azurite, connectionStringTo, startAzurite } from "./test/azurite.ts";

let azurite: Azurite | undefined;
let places = 0;
let tablePrefix = "";

beforeAll(async () => {
  azurite = await startAzurite();
});

afterAll(() => azurite?.stop());

const open = () => azureStorage({ connectionString: connectionStringTo(azurite!.port) }, { tablePrefix });

describePartitionContract({
  name: "azure",
  runner: { describe, it },
  makeStorage: () => {
    places += 1;
    // Letters, so that no prefix ends in possible digits of an id.
    tablePrefix = `t${[...String(places)].map((digit) => "ghijklmnop"[Number(digit)]).join("")}`;
    return open();
  },
  restartStorage: open,
  capabilities: { modelRuns: 15 },
});
