/** A stranger's uses of the packages, in a folder where they are installed. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { finish, run, serve } from "./run.ts";

/** Packages that stay outside of a bundle for Node, because they hold native code or load files by name. */
const EXTERNALS = ["level", "memory-level", "@node-rs/crc32", "ws"];

/** Parts of the names of cases. */
const CASES = ["APPEND-", "PRODUCE-", "PEEK-", "SPACE-", "TRIM-"];

const bin = (name: string) => join("node_modules", ".bin", name);

export async function compile(app: string): Promise<void> {
  await run(bin("tsc"), ["-p", "."], { cwd: app });
}

export async function buildPage(app: string): Promise<void> {
  const page = join(app, "page");
  await run(join("..", bin("tsc")), ["-p", "."], { cwd: page });
  await run(join("..", bin("vite")), ["build", "--target", "es2023"], { cwd: page });
  const assets = join(page, "dist", "assets");
  for (const name of readdirSync(assets)) {
    const code = readFileSync(join(assets, name), "utf8");
    assert.doesNotMatch(code, /from\s*["']node:|require\(["']/, `${name} needs Node`);
    assert.doesNotMatch(code, /HTTPParserError|undici:/, `${name} has the parts for Node`);
    console.log(`      ${name}: ${(statSync(join(assets, name)).size / 1024).toFixed(0)} KiB`);
  }
}

export async function bundle(app: string): Promise<void> {
  const externals = EXTERNALS.map((name) => `--external:${name}`);
  const options = ["--bundle", "--platform=node", "--format=esm", "--target=node22", "--outfile=out/bundle.mjs"];
  await run(bin("esbuild"), ["bundled.ts", ...options, ...externals], { cwd: app });
}

export async function serverAndClient(app: string, node: string): Promise<void> {
  const args = ["streamkit-server", "--port", "0", "--path", "data"];
  await using server = await serve("npx", args, /listens on (\S+);/, { cwd: app, node });
  const out = await run(node, ["out/quickstart.js", server.match[1] ?? ""], { cwd: app });
  assert.match(out, /order-2001-17 has 2 entries/);
  assert.match(out, /3 order-2001-18 placed/);
}

export async function entries(app: string, node: string): Promise<void> {
  assert.match(await run(node, ["out/entries.js"], { cwd: app }), /^\d+ entries\n$/);
  assert.equal(await run(node, ["required.cjs"], { cwd: app }), "required\n");
}

export async function tests(app: string, node: string): Promise<void> {
  const out = await run(node, [join("node_modules", "vitest", "vitest.mjs"), "run", "--exclude", "out/**"], {
    cwd: app,
    node,
  });
  assert.match(out, /Tests .*5\d passed/);
}

/** Runs cases of every kind of call, over HTTP/2. */
export async function conformance(app: string, node: string): Promise<void> {
  const out = await run("npx", ["streamkit-conformance", ...CASES.flatMap((name) => ["--case", name])], {
    cwd: app,
    node,
  });
  assert.match(out, /\nconforms\n/);
}

export async function refused(app: string, node: string): Promise<void> {
  for (const program of ["streamkit-server", "streamkit-conformance"]) {
    const { code, out, error } = await finish("npx", [program], { cwd: app, node });
    const lines = error.split("\n").filter((line) => !line.startsWith("npm warn"));
    assert.deepEqual({ code, out, lines: lines.length }, { code: 1, out: "", lines: 2 }, error);
    assert.match(error, new RegExp(`${program}: needs Node\\.js 22\\.15 or later; this is 20\\.`));
  }
}
