/**
 * Builds the packages that are published: TypeScript to JavaScript and declarations, in dist/.
 *
 *   npm run build
 *   node scripts/build.ts --verify   also packs them, installs the packs elsewhere, and starts the server from there
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In the order of their dependencies: each build reads the declarations of those before it. */
const PACKAGES = ["gen/es", "clients/ts", "server", "conformance"];

const OPTIONS = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    customConditions: [],
    noEmit: false,
    declaration: true,
    sourceMap: true,
    allowImportingTsExtensions: false,
    rewriteRelativeImportExtensions: true,
  },
};

function run(command: string, args: string[], cwd = process.cwd()): void {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed in ${cwd}`);
}

function build(folder: string): void {
  const dist = join(folder, "dist");
  rmSync(dist, { recursive: true, force: true });
  const config = join(folder, "tsconfig.build.json");
  const root = folder
    .split("/")
    .map(() => "..")
    .join("/");
  const options = {
    ...OPTIONS,
    extends: `${root}/tsconfig.json`,
    compilerOptions: { ...OPTIONS.compilerOptions, rootDir: "./src", outDir: "./dist" },
    include: ["src"],
    // Tests and their tools, but for the Azurite that others may use, and the histories that are run in this repository only.
    exclude: [
      "src/**/*.test.ts",
      "src/bus/test",
      "src/**/instances",
      "src/history/bin.ts",
      "src/history/coordination",
      "src/soak",
    ],
  };
  writeFileSync(config, JSON.stringify(options));
  try {
    run("tsc", ["-p", config]);
  } finally {
    rmSync(config);
  }
}

/** Installs the packs into an empty folder and runs the server from there. */
async function verify(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "streamkit-packed-"));
  try {
    const scope = join(folder, "node_modules", "@streamkit");
    mkdirSync(scope, { recursive: true });
    for (const item of readdirSync("node_modules")) {
      // Third-party dependencies as they are installed; our own from the packs.
      if (item !== "@streamkit")
        symlinkSync(join(process.cwd(), "node_modules", item), join(folder, "node_modules", item));
    }
    for (const path of PACKAGES) {
      run("npm", ["pack", "--silent", "--pack-destination", folder], path);
    }
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".tgz"))) {
      const unpacked = mkdtempSync(join(folder, "unpack-"));
      run("tar", ["-xzf", join(folder, file), "-C", unpacked]);
      const name = file.replace(/^streamkit-/, "").replace(/-\d.*$/, "");
      cpSync(join(unpacked, "package"), join(scope, name), { recursive: true });
    }
    await startServer(join(scope, "server", "dist", "bin.js"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function startServer(bin: string): Promise<void> {
  const server = spawn(process.execPath, [bin, "--port", "0", "--storage", "memory"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    server.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`the installed server exited with ${code}`)),
    );
    server.stdout.once("data", (line) => {
      console.log(`from the packs: ${String(line).trim()}`);
      server.kill("SIGTERM");
    });
  });
}

PACKAGES.forEach(build);
// The conformance suite proves the clauses of the specification, wherever it is installed.
cpSync("docs/spec.md", "conformance/spec.md");
if (process.argv.includes("--verify")) await verify();
