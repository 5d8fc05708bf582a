import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Smaller files hold no entries; they are markers, locks and pointers. */
const MIN_BYTES = 256;

/** Flips one bit in the middle of every data file (logs and tables) below a folder. Returns the number of files. */
export function damageFiles(folder: string): number {
  let damaged = 0;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = statSync(path);
    if (stat.isDirectory()) damaged += damageFiles(path);
    else if (stat.size >= MIN_BYTES && /\.(log|ldb|sst)$/.test(name)) {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1] ^= 0x10;
      writeFileSync(path, bytes);
      damaged += 1;
    }
  }
  return damaged;
}
