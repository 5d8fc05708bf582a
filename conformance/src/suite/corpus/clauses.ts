import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** One numbered promise of docs/spec.md. */
export interface Clause {
  readonly id: string;
  readonly strength: "MUST" | "SHOULD";
  readonly text: string;
}

/** Path of the specification: beside the cases in the published package, in docs/ in the repository. */
const SPEC_FILE = ["../../../spec.md", "../../../../docs/spec.md"]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

const LINE = /^- \*\*([A-Z]{3}-\d{3})\*\* (MUST|SHOULD)(?: \[[a-z]+\])? (.+)$/;

/**
 * Reads the clauses of the specification.
 *
 * @throws Error if a malformed line begins like a clause, or an id occurs twice
 */
export function readClauses(file: string = SPEC_FILE ?? "docs/spec.md"): Map<string, Clause> {
  const clauses = new Map<string, Clause>();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (!line.startsWith("- **")) continue;
    const [, id, strength, text] = LINE.exec(line) ?? [];
    if (id === undefined || text === undefined) throw new Error(`not a clause: ${line}`);
    if (clauses.has(id)) throw new Error(`two clauses have the id ${id}`);
    clauses.set(id, { id, strength: strength as Clause["strength"], text });
  }
  return clauses;
}
