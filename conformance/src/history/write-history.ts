import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HistoryResult } from "./run.ts";

/** Writes a history to a file of its own, as JSON lines in the order of begin, violations first. Returns its path. */
export function writeHistory({ seed, violations, history }: HistoryResult): string {
  const path = join(mkdtempSync(join(tmpdir(), "streamkit-history-")), `seed-${seed}.jsonl`);
  const lines = [...violations, ...history.toSorted((a, b) => a.start - b.start)];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}
