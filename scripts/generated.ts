import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const GENERATED = "gen/es/gen";

/** Generates the code again in another folder, and compares. Returns true if nothing changes. */
export function checkGenerated(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "streamkit-generated-"));
  try {
    if (spawnSync("buf", ["generate", "--output", folder], { stdio: "inherit" }).status !== 0) return false;
    const committed = contents(GENERATED);
    const fresh = contents(join(folder, GENERATED));
    const names = new Set([...committed.keys(), ...fresh.keys()]);
    const different = [...names].filter((name) => committed.get(name) !== fresh.get(name));
    for (const name of different) console.error(`${GENERATED}/${name} differs; run: npm run generate`);
    return different.length === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function contents(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((file) => {
      const path = join(file.parentPath, file.name);
      return [relative(folder, path), readFileSync(path, "utf8")];
    }),
  );
}
