#!/usr/bin/env node
import { refusalOfNode } from "./node-version.ts";

const refusal = refusalOfNode(process.versions.node);
if (refusal !== undefined) {
  console.error(`streamkit-conformance: ${refusal}`);
  process.exit(1);
}
// Imported only after the check, because the suite uses parts of Node that older versions lack.
await import("./main.ts");
