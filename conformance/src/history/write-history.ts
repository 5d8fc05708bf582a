import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HistoryResult } from "./run.ts";

/** Writes a history to a file of its own, as JSON lines: violations, then what happened in the order of begin. Returns its path. */
export function writeHistory({ seed, violations, history, trouble = [] }: HistoryResult): string {
  const path = join(mkdtempSync(join(tmpdir(), "streamkit-history-")), `seed-${seed}.jsonl`);
  const lines = [...violations, ...[...history, ...trouble].sort((a, b) => a.start - b.start)];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}
