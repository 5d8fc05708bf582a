#!/usr/bin/env node
import { growHeap } from "./cli/heap.ts";
import { refusalOfNode } from "./cli/node-version.ts";

const refusal = refusalOfNode(process.versions.node);
if (refusal !== undefined) {
  console.error(`streamkit-server: ${refusal}`);
  process.exit(1);
}
growHeap();
// Imported late, because the server uses features of Node that older versions lack.
const { main } = await import("./cli/main.ts");
await main();
