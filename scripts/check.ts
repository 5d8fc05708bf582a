/**
 * Runs every check except long tests, for contributors and CI, before a change is proposed.
 *
 *     npm run check                     everything
 *     npm run check -- types            only checks whose names contain "types"
 *     npm run check -- --without-tests  all but the unit tests: for CI, which runs all tests anyway
 */
import { spawnSync } from "node:child_process";
import { checkBundleSize } from "./bundle-size.ts";
import { checkSubjects } from "./commit-subjects.ts";
import { checkGenerated } from "./generated.ts";
import { checkImports } from "./imports.ts";
import { checkLinks } from "./links.ts";
import { checkProse } from "./prose.ts";
import { checkVersions } from "./versions.ts";

type Check = readonly [name: string, run: () => boolean | Promise<boolean>];

const program = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: "inherit" }).status === 0;

const source = "--conditions=@streamkit/source";

const UNIT_TESTS = "unit tests";

const CHECKS: readonly Check[] = [
  ["format and lint", () => program("biome", "ci", ".")],
  ["types", () => program("tsc", "-p", "tsconfig.json")],
  ["proto lint", () => program("buf", "lint")],
  ["proto breaking changes", () => program("buf", "breaking", "--against", "proto/baseline.binpb")],
  ["generated code is up to date", checkGenerated],
  ["versions agree", checkVersions],
  ["unused files, exports and dependencies", () => program("knip")],
  ["README equals the examples", () => program("node", source, "examples/src/readme/insert.ts", "--check")],
  ["documents name what exists", checkLinks],
  ["imports are those that CONTRIBUTING.md allows", checkImports],
  ["comments in plain English", checkProse],
  ["subjects of commits", checkSubjects],
  ["bundle size", checkBundleSize],
  ["packages build", () => program("node", "scripts/build.ts")],
  [
    UNIT_TESTS,
    () => program("vitest", "run", ...["int", "browser"].flatMap((tier) => ["--exclude", `**/*.${tier}.test.ts`])),
  ],
];

const args = process.argv.slice(2);
const withoutTests = args.includes("--without-tests");
const filter = args.find((arg) => !arg.startsWith("--")) ?? "";
const failed: string[] = [];
for (const [name, run] of CHECKS) {
  if (!name.includes(filter) || (withoutTests && name === UNIT_TESTS)) continue;
  const start = performance.now();
  const passed = await run();
  console.log(`${passed ? "ok    " : "FAILED"} ${name} (${((performance.now() - start) / 1_000).toFixed(1)} s)`);
  if (!passed) failed.push(name);
}
if (failed.length > 0) {
  console.error(`\n${failed.length} checks failed: ${failed.join("; ")}`);
  process.exit(1);
}
