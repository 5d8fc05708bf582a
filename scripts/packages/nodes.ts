import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

/** The oldest Node that the packages run with; `engines` says the same. */
const OLDEST = "22.15.0";
/** A Node that must be refused. */
const REFUSED = "20.19.0";

export interface Nodes {
  /** Programs of the versions that the packages must run with. */
  readonly supported: readonly string[];
  readonly refused: string;
}

/** Installs the Nodes that are not this one, from the packages that npm's `node` takes its programs from. */
export async function installNodes(folder: string): Promise<Nodes> {
  const program = `node-${process.platform}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  const dependencies = { oldest: `npm:${program}@${OLDEST}`, refused: `npm:${program}@${REFUSED}` };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
  const path = (name: string) => join(folder, "node_modules", name, "bin", "node");
  return { supported: [path("oldest"), process.execPath], refused: path("refused") };
}
