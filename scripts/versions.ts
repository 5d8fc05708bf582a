import { readFileSync } from "node:fs";

const PACKAGES = ["gen/es", "clients/ts", "server", "conformance", "bench", "examples"];

/**
 * Checks that all packages have one version and require one Node, that they depend on each other at that version, and
 * that the server and the documents name both.
 */
export function checkVersions(): boolean {
  const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const { version, engines } = read("package.json");
  const problems: string[] = [];
  for (const folder of PACKAGES) {
    const manifest = read(`${folder}/package.json`);
    if (manifest.engines?.node !== engines.node)
      problems.push(`${folder} wants Node ${manifest.engines?.node}, expected ${engines.node}`);
    if (manifest.version !== version) problems.push(`${folder} has version ${manifest.version}, expected ${version}`);
    for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (name.startsWith("@streamkit/") && range !== version) problems.push(`${folder} wants ${name} ${range}`);
    }
  }
  if (!readFileSync("server/src/version.ts", "utf8").includes(`VERSION = "${version}"`)) {
    problems.push(`server/src/version.ts does not have ${version}`);
  }
  const oldest = engines.node.replace(">=", "");
  for (const path of ["README.md", "docs/install.md", "server/README.md", "server/src/cli/node-version.ts"]) {
    if (!readFileSync(path, "utf8").includes(`Node.js ${oldest}`))
      problems.push(`${path} does not name Node.js ${oldest}`);
  }
  if (!readFileSync("CHANGELOG.md", "utf8").includes(`## [${version}]`)) {
    problems.push(`CHANGELOG.md has no section for ${version}`);
  }
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}
