import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Violation } from "./space-history.ts";

interface Timed {
  readonly start: number;
}

/** The output of a run of a seed. */
export interface WrittenHistory {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly history: readonly Timed[];
  readonly trouble?: readonly Timed[];
}

/**
 * Writes a history to a new file as JSON lines: first the violations, then the events in the order of their starts.
 * Returns its path.
 */
export function writeHistory({ seed, violations, history, trouble = [] }: WrittenHistory): string {
  const path = join(mkdtempSync(join(tmpdir(), "streamkit-history-")), `seed-${seed}.jsonl`);
  const lines = [...violations, ...[...history, ...trouble].sort((a, b) => a.start - b.start)];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}
