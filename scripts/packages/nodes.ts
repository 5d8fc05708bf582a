import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

/** The oldest supported Node, as `engines` says. */
const OLDEST = "22.15.0";
/** A Node that the packages must refuse. */
const REFUSED = "20.19.0";

export interface Nodes {
  /** Programs of the supported versions. */
  readonly supported: readonly string[];
  readonly refused: string;
}

/** Installs the other versions of Node, from the packages that also serve npm's `node` package. */
export async function installNodes(folder: string): Promise<Nodes> {
  const program = `node-${process.platform}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  const dependencies = { oldest: `npm:${program}@${OLDEST}`, refused: `npm:${program}@${REFUSED}` };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
  const path = (name: string) => join(folder, "node_modules", name, "bin", "node");
  return { supported: [path("oldest"), process.execPath], refused: path("refused") };
}
