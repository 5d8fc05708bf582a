/**
 * Proves that the packages could be published: packs them, checks the packs, and uses them outside of the repository as
 * a stranger would, with the oldest supported Node and with this one.
 *
 *     npm run packages
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installNodes } from "./nodes.ts";
import * as outside from "./outside.ts";
import { type Pack, pack } from "./packs.ts";
import { run } from "./run.ts";

const ROOT = join(import.meta.dirname, "..", "..");
/** Packages that the stranger installs as well, in the versions of the repository. */
const TOOLS = ["@types/node", "esbuild", "fast-check", "typescript", "vite", "vitest"];

const folder = mkdtempSync(join(tmpdir(), "streamkit-packages-"));
const app = join(folder, "app");
let failures = 0;

async function step<T>(name: string, act: () => T | Promise<T>): Promise<T | undefined> {
  const start = performance.now();
  const seconds = () => `(${((performance.now() - start) / 1_000).toFixed(1)} s)`;
  try {
    const result = await act();
    console.log(`ok    ${name} ${seconds()}`);
    return result;
  } catch (error) {
    failures += 1;
    console.error(`FAILED ${name} ${seconds()}\n${(error as Error).message}`);
    return undefined;
  }
}

const version = (name: string): string =>
  JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")).version;

/** Examples that use nothing but the packages: those of README.md and docs/ work unchanged. */
function examples(): string[] {
  const names = readdirSync(join(ROOT, "examples", "src")).filter((name) => /^[\w-]+(\.test)?\.ts$/.test(name));
  const imports = (name: string) => {
    const code = readFileSync(join(ROOT, "examples", "src", name), "utf8");
    return [...code.matchAll(/ from "([^"]+)"/g)].map(([, from = ""]) => from);
  };
  const known = (from: string) => /^(node:|@streamkit\/|vitest$)/.test(from);
  const alone = names.filter((name) => imports(name).every((from) => known(from) || names.includes(from.slice(2))));
  return alone.filter((name) => imports(name).every((from) => known(from) || alone.includes(from.slice(2))));
}

/** Makes a folder with the packs, the tools, and programs that use them. */
async function install(packs: readonly Pack[]): Promise<void> {
  cpSync(join(import.meta.dirname, "outside"), app, { recursive: true });
  for (const name of examples()) cpSync(join(ROOT, "examples", "src", name), join(app, name));
  const dependencies = Object.fromEntries(packs.map(({ name, path }) => [name, `file:${path}`]));
  const devDependencies = Object.fromEntries(TOOLS.map((name) => [name, version(name)]));
  const manifest = {
    name: "app",
    private: true,
    type: "module",
    dependencies,
    devDependencies,
    overrides: dependencies,
  };
  writeFileSync(join(app, "package.json"), JSON.stringify(manifest, undefined, 2));
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: app });
}

/** Measures the size of a production server: the server alone, as the Dockerfile installs it. The server must start. */
async function measure(): Promise<void> {
  const production = join(folder, "production");
  await run(process.execPath, [join(ROOT, "scripts", "install-server.ts"), production], { cwd: ROOT });
  const [kib = ""] = (await run("du", ["-sk", "node_modules"], { cwd: production })).split("\t");
  const packages =
    (await run("npm", ["ls", "--all", "--parseable"], { cwd: production })).trim().split("\n").length - 1;
  const program = join(production, "node_modules", ".bin", "streamkit-server");
  await run(program, ["--version"], { cwd: production });
  console.log(`      ${(Number(kib) / 1024).toFixed(1)} MiB, ${packages} packages`);
}

console.log(`packages: in ${folder}`);
try {
  const packs = (await step("packs are complete, from a state without any build", () => pack(ROOT, folder))) ?? [];
  for (const { name, path } of packs) {
    await step(`publint: ${name}`, () => run("npx", ["publint", "run", path, "--strict"], { cwd: ROOT }));
    await step(`attw: ${name}`, () =>
      run("npx", ["attw", path, "--profile", "esm-only", "--exclude-entrypoints", "./proto/*", "--format", "ascii"], {
        cwd: ROOT,
      }),
    );
  }
  const nodes = await step("Node 22.15 and 20", () => installNodes(join(folder, "nodes")));
  const installed = await step("installed outside of the repository", () => install(packs).then(() => true));
  if (nodes !== undefined && installed) {
    await step("TypeScript, nodenext, without skipLibCheck", () => outside.compile(app));
    await step("page: types and Vite", () => outside.buildPage(app));
    await step("esbuild for Node", () => outside.bundle(app));
    for (const node of nodes.supported) {
      const name = `Node ${await run(node, ["--version"], { cwd: app })}`.trim();
      await step(`${name}: npx streamkit-server, and a client program`, () => outside.serverAndClient(app, node));
      await step(`${name}: every entry; packages that are missing`, () => outside.entries(app, node));
      await step(`${name}: the bundle`, () => run(node, ["out/bundle.mjs"], { cwd: app, node }));
      await step(`${name}: vitest, a backend and memoryStorage()`, () => outside.tests(app, node));
      await step(`${name}: npx streamkit-conformance`, () => outside.conformance(app, node));
    }
    await step("Node 20 is refused in one line", () => outside.refused(app, nodes.refused));
  }
  await step("production install", measure);
} finally {
  rmSync(folder, { recursive: true });
}
console.log(failures === 0 ? "packages: could be published" : `packages: ${failures} steps failed`);
process.exit(failures === 0 ? 0 : 1);
