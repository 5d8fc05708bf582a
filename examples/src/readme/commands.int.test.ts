import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { testFolder } from "../process/example.ts";
import { ServerProcess } from "../process/server-process.ts";
import { documentedCommands, stable } from "./commands.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const run = promisify(execFile);

test("commands of a document are found with their output", () => {
  const document =
    "a\n\n<!-- run -->\n```sh\none\n```\n\n<!-- prints -->\n```json\n1\n```\n\n```sh\nnot this\n```\n<!-- run -->\n```sh\ntwo\n```\n";
  expect(documentedCommands(document)).toEqual([
    { line: 5, command: "one\n", prints: "1\n" },
    { line: 18, command: "two\n", prints: undefined },
  ]);
});

test.each([
  { document: "README.md", atLeast: 2 },
  { document: "docs/curl.md", atLeast: 6 },
  { document: "docs/getting-started.md", atLeast: 6 },
])("the commands of $document print the documented output", { timeout: 120_000 }, async ({ document, atLeast }) => {
  const commands = documentedCommands(readFileSync(join(ROOT, document), "utf8"));
  expect(commands.length).toBeGreaterThanOrEqual(atLeast);
  await using server = await ServerProcess.start({ path: await testFolder() });
  for (const { line, command, prints } of commands) {
    const typed = command.replaceAll("http://127.0.0.1:8080", server.url);
    // npx writes warnings about the machine's settings to stderr. Only stdout counts.
    const { stdout } = await run("bash", ["-euc", typed], { cwd: ROOT });
    if (prints !== undefined) expect(stable(stdout), `${document}:${line}`).toBe(stable(prints));
  }
});
