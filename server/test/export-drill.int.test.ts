/** Runs the drill of docs/export.md, line by line, with real processes. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { streamkitServer } from "./export-command.ts";
import { temporaryFolder } from "./server-process.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** Lines for `import --format ndjson`, in two spaces. */
function lines(from: number, count: number): string {
  const entries = Array.from({ length: count }, (_, index) => from + index);
  return entries
    .map((n) =>
      JSON.stringify({
        space: n % 5 ? "orders" : "audit",
        segment: `s${n % 7}`,
        json: { n, pad: "x".repeat(n % 200) },
      }),
    )
    .join("\n");
}

it("restores everything that was exported before the disk was lost", async () => {
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  const run = async (command: string, words: readonly string[], input?: string) => {
    const ended =
      command === "streamkit-server"
        ? await streamkitServer(words, { cwd, ...(input !== undefined && { input: Buffer.from(input) }) })
        : { code: 0, error: "", ...(await promisify(execFile)(command, [...words], { cwd })) };
    expect(ended, `${command} ${words.join(" ")}: ${ended.error}`).toMatchObject({ code: 0 });
  };
  const append = (text: string) =>
    run("streamkit-server", ["import", "--format", "ndjson", "--store", STORE, "--path", "data"], text);
  const state = async (name: string) => {
    await run("streamkit-server", ["export", "--store", STORE, "--path", "data", "--format", "ndjson", "--file", name]);
    return readFile(join(cwd, name), "utf8");
  };

  await append(lines(0, 700));
  const page = await readFile(new URL("../../docs/export.md", import.meta.url), "utf8");
  const [, drill = ""] = /```sh drill\n([^`]*)```/.exec(page) ?? [];
  const commands = drill.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  expect(commands).toHaveLength(8);
  let lost = "";
  for (const [index, line] of commands.entries()) {
    // Clients write between the two exports.
    if (index === 2) await append(lines(700, 300));
    if (line.startsWith("rm ")) lost = await state("lost.ndjson");
    const [command = "", ...words] = line.replaceAll("$STORE", STORE).split(" ");
    await run(command, words);
  }
  const restored = await readFile(join(cwd, "restored.ndjson"), "utf8");
  expect(restored.split("\n").length).toBe(1_001);
  expect(restored).toBe(lost);
  // The restored store goes on where the lost one ended.
  await writeFile(join(cwd, "more.ndjson"), lines(1_000, 1));
  await append(await readFile(join(cwd, "more.ndjson"), "utf8"));
  const last = (await state("more.out")).split("\n").find((line) => line.includes('"n":1000,'));
  expect(JSON.parse(last ?? "{}")).toMatchObject({ space: "audit", offset: 201 });
}, 600_000);
