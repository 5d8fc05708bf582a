import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";

/** Folders of the published packages. */
const FOLDERS = ["gen/es", "clients/ts", "server", "conformance"];

/** Files that no pack may hold: tests and their tools. */
const FORBIDDEN = /\.test\.|\/test\/|azurite|fault-proxy|mutants|crash-writer|tsconfig|\.tsbuildinfo$/;

export interface Pack {
  readonly name: string;
  /** The archive. */
  readonly path: string;
}

/** Packs every package as `npm publish` would, from a state without any build, and checks the files of the packs. */
export async function pack(root: string, folder: string): Promise<Pack[]> {
  const packs: Pack[] = [];
  for (const path of FOLDERS) {
    for (const built of ["dist", "proto", "LICENSE"]) rmSync(join(root, path, built), { recursive: true, force: true });
  }
  for (const path of FOLDERS) {
    const args = ["pack", "--json", "--pack-destination", folder, `--workspace=${path}`];
    const found = JSON.parse((await run("npm", args, { cwd: root })).replace(/^[^[{]*/, ""));
    const { filename, files, name, size } = Array.isArray(found) ? found[0] : Object.values(found)[0];
    const names = (files as { path: string }[]).map((file) => file.path);
    check(name, names, join(root, path));
    console.log(`      ${name}: ${names.length} files, ${(size / 1024).toFixed(0)} KiB packed`);
    packs.push({ name, path: join(folder, filename) });
  }
  return packs;
}

function check(name: string, files: readonly string[], folder: string): void {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const problems = [
    ...["LICENSE", "README.md", "package.json"]
      .filter((file) => !files.includes(file))
      .map((file) => `${file} is missing`),
    ...["description", "keywords", "license", "engines"].filter((key) => !(key in manifest)).map((key) => `no ${key}`),
    ...files.filter((file) => FORBIDDEN.test(file)).map((file) => `${file} does not belong here`),
    ...targets(manifest).flatMap((file) => (files.includes(file) ? [] : [`${file} is promised and missing`])),
    ...files.filter((file) => file.endsWith(".map")).flatMap((file) => unresolved(join(folder, file))),
    ...Object.values((manifest.bin ?? {}) as Record<string, string>).flatMap((file) => shebang(join(folder, file))),
  ];
  if (name === "@streamkit/protocol" && !files.includes("proto/streamkit/v1/stream_service.proto")) {
    problems.push("the .proto files are missing");
  }
  if (problems.length > 0) throw new Error(`the pack of ${name}:\n  ${problems.join("\n  ")}`);
}

/** Files that exports and bin promise. */
function targets({ exports, bin = {} }: { exports: object; bin?: object }): string[] {
  const built = Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : [entry.types, entry.default],
  );
  return [...built, ...Object.values(bin)].filter((path) => !path.includes("*")).map((path) => path.replace("./", ""));
}

/** Checks that a source map holds its sources, as the files that it names are not in the pack. */
function unresolved(path: string): string[] {
  const { sources, sourcesContent } = JSON.parse(readFileSync(path, "utf8"));
  return sources.length === sourcesContent?.length ? [] : [`${path} holds no sources`];
}

/** BusyBox, and with it Alpine Linux, lacks `env -S`. */
function shebang(path: string): string[] {
  return readFileSync(path, "utf8").startsWith("#!/usr/bin/env node\n") ? [] : [`${path} does not begin with env node`];
}
