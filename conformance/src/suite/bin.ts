#!/usr/bin/env node
import { refusalOfNode } from "./node-version.ts";

const refusal = refusalOfNode(process.versions.node);
if (refusal !== undefined) {
  console.error(`streamkit-conformance: ${refusal}`);
  process.exit(1);
}
// Later, because the suite uses parts of Node that older versions do not have.
await import("./main.ts");
