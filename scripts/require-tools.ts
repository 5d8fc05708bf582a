/**
 * Makes sure that the named programs exist. Finds them; or installs Debian's packages if this process may, after saying
 * so; or fails with one line that names the packages to install.
 *
 *     node scripts/require-tools.ts strace redis-server
 *     STREAMKIT_INSTALL_TOOLS=no node scripts/require-tools.ts strace    never installs anything
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

/** Servers are often in folders that the PATH of an ordinary user lacks. */
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
const mayInstall = process.getuid?.() === 0 && process.env.STREAMKIT_INSTALL_TOOLS !== "no" && isInstalled("apt-get");
if (missing.length > 0 && mayInstall) {
  const packages = missing.map((program) => PACKAGES[program] ?? program);
  console.log(
    `The tests need ${missing.join(", ")}, which this machine does not have. As this is root, they are installed now, with:\n` +
      `  apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}\n` +
      "STREAMKIT_INSTALL_TOOLS=no keeps the machine as it is, and the tests from running.",
  );
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
    const { status, stderr } = spawnSync("apt-get", args, {
      env,
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    if (status !== 0) console.error(`apt-get ${args[0]} ended with ${status}: ${stderr}`);
  }
  missing = missing.filter((program) => !isInstalled(program));
}
if (missing.length > 0) {
  const packages = missing.map((program) => PACKAGES[program]).join(" ");
  console.error(`missing: ${missing.join(", ")}; install with: sudo apt-get install ${packages}`);
  process.exit(1);
}
