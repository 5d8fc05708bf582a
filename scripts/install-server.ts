/**
 * Installs the server from this repository into a folder of its own, without development dependencies: for a container,
 * or for systemd. Installs third-party packages in the versions of package-lock.json, which the tests ran with.
 *
 *     npm run install-server -- /opt/streamkit
 *     npm run install-server -- /opt/streamkit @azure/data-tables ioredis    with optional packages
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const [target, ...extras] = process.argv.slice(2);
if (target === undefined) {
  console.error("usage: npm run install-server -- FOLDER [PACKAGE ...]");
  process.exit(2);
}
const folder = resolve(target);

function npm(args: readonly string[], cwd: string): string {
  const { status, stdout } = spawnSync("npm", args, { cwd, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  if (status === 0) return stdout;
  console.error(`npm ${args.join(" ")} failed`);
  process.exit(1);
}

/** Versions of third-party packages, by name. */
function locked(): Record<string, string> {
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const versions: Record<string, string> = {};
  for (const [path, { version, link }] of Object.entries<{ version?: string; link?: boolean }>(packages)) {
    // A nested package is another version of a package that exists at the top too.
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    if (name !== undefined && version !== undefined && !link) versions[name] = version;
  }
  return versions;
}

const packs = join(folder, "packs");
mkdirSync(packs, { recursive: true });
const dependencies: Record<string, string> = {};
for (const path of ["gen/es", "server"]) {
  const output = npm(["pack", "--silent", "--pack-destination", packs, `--workspace=${path}`], ROOT);
  const { name } = JSON.parse(readFileSync(join(ROOT, path, "package.json"), "utf8"));
  dependencies[name] = `file:packs/${output.trim().split("\n").at(-1)}`;
}
const versions = locked();
for (const name of extras) dependencies[name] = versions[name] ?? "latest";
const overrides = Object.fromEntries(Object.entries(versions).filter(([name]) => !(name in dependencies)));
const manifest = { name: "streamkit-installation", private: true, type: "module", dependencies, overrides };
writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
npm(
  ["install", "--omit=dev", "--omit=peer", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
  folder,
);
console.log(
  `installed in ${folder}; start it with: ${join(folder, "node_modules", ".bin", "streamkit-server")} --help`,
);
