/**
 * Makes sure that the programs named on the command line are there: finds them, or installs Debian's packages where this
 * process may, or fails with one line that says what to install.
 *
 *   node scripts/require-tools.ts strace redis-server
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian's package for each program. */
const PACKAGES: Record<string, string> = {
  chromium: "chromium",
  "nats-server": "nats-server",
  "redis-server": "redis-server",
  strace: "strace",
};

/** Servers live where an ordinary user's PATH does not look. */
const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];

function isInstalled(program: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const wanted = process.argv.slice(2);
for (const program of wanted) {
  if (!(program in PACKAGES)) throw new Error(`no package is known for ${program}`);
}
let missing = wanted.filter((program) => !isInstalled(program));
if (missing.length > 0 && process.getuid?.() === 0) {
  console.log(`installing ${missing.join(", ")}`);
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const aptGet = (...args: string[]) => spawnSync("apt-get", args, { env: environment, stdio: "ignore" });
  aptGet("update");
  aptGet("install", "-y", "--no-install-recommends", ...missing.map((program) => PACKAGES[program]));
  missing = missing.filter((program) => !isInstalled(program));
}
if (missing.length > 0) {
  const packages = missing.map((program) => PACKAGES[program]).join(" ");
  console.error(`missing: ${missing.join(", ")}; install with: sudo apt-get install ${packages}`);
  process.exit(1);
}
