import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Violation } from "./space-history.ts";

interface Timed {
  readonly start: number;
}

/** What a run of a seed leaves behind. */
export interface WrittenHistory {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly history: readonly Timed[];
  readonly trouble?: readonly Timed[];
}

/**
 * Writes a history to a file of its own, as JSON lines: violations, then what happened in the order of begin. Returns
 * its path.
 */
export function writeHistory({ seed, violations, history, trouble = [] }: WrittenHistory): string {
  const path = join(mkdtempSync(join(tmpdir(), "streamkit-history-")), `seed-${seed}.jsonl`);
  const lines = [...violations, ...[...history, ...trouble].sort((a, b) => a.start - b.start)];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}
