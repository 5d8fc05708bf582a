/**
 * Builds the published packages: compiles TypeScript to JavaScript and declarations in dist/, and copies the other
 * files of a pack (licence, .proto files, specification).
 *
 *     npm run build
 *     node scripts/build.ts server   only this package and its dependencies: `npm pack` runs it first (prepack)
 */
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** In the order of their dependencies: each build reads the declarations of the earlier ones. */
const PACKAGES = ["gen/es", "clients/ts", "server", "conformance"];

process.chdir(join(import.meta.dirname, ".."));

/**
 * Sources of the package's entry points, programs, and modules with a variant for browsers. The build omits files that
 * they do not import, such as test tools.
 */
function entries(folder: string): string[] {
  const { exports, imports = {}, bin = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const sources = [...Object.values(exports), ...Object.values(imports)].flatMap((entry) => {
    const source = (entry as Record<string, string | Record<string, string>>)["@streamkit/source"] ?? [];
    return typeof source === "string" ? source : Object.values(source);
  });
  const programs = (Object.values(bin) as string[]).map((path) => path.replace("/dist/", "/src/").replace(/js$/, "ts"));
  return [...sources, ...programs];
}

function compile(folder: string): void {
  rmSync(join(folder, "dist"), { recursive: true, force: true });
  const config = join(folder, "tsconfig.build.json");
  const options = {
    extends: relative(folder, "tsconfig.json"),
    compilerOptions: {
      customConditions: [],
      noEmit: false,
      declaration: true,
      // The source maps contain the sources, so that they work wherever the package is.
      sourceMap: true,
      inlineSources: true,
      allowImportingTsExtensions: false,
      rewriteRelativeImportExtensions: true,
      rootDir: "./src",
      outDir: "./dist",
    },
    include: [],
    files: entries(folder),
  };
  writeFileSync(config, JSON.stringify(options));
  try {
    const { status } = spawnSync("node_modules/.bin/tsc", ["-p", config], { stdio: "inherit" });
    if (status !== 0) throw new Error(`the build of ${folder} failed`);
  } finally {
    rmSync(config);
  }
}

/** Copies files from elsewhere in the repository that belong into the pack; .gitignore lists them. */
function copyFiles(folder: string): void {
  cpSync("LICENSE", join(folder, "LICENSE"));
  if (folder === "conformance") cpSync("docs/spec.md", "conformance/spec.md");
  if (folder !== "gen/es") return;
  rmSync("gen/es/proto", { recursive: true, force: true });
  cpSync("proto", "gen/es/proto", { recursive: true, filter: (path) => !path.endsWith(".binpb") });
}

const wanted = process.argv[2];
if (wanted !== undefined && !PACKAGES.includes(wanted))
  throw new Error(`${wanted} is not one of ${PACKAGES.join(", ")}`);
for (const folder of wanted === undefined ? PACKAGES : PACKAGES.slice(0, PACKAGES.indexOf(wanted) + 1)) {
  compile(folder);
  copyFiles(folder);
}
