/** `streamkit-server export`, `import` and `verify` in processes of their own: kills, codes, pipes, another reader. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { levelStorage } from "../src/storage/level/index.ts";
import { streamkitServer } from "./export-command.ts";
import { exported, imported, write } from "./export-files.ts";
import { type Instance, makeInstance } from "./instance.ts";
import { temporaryFolder } from "./server-process.ts";

const READER = fileURLToPath(new URL("export-reader/read_export.py", import.meta.url));
const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** Entries of the stored space, one text each, and its last offset. */
async function contentOf(path: string): Promise<{ entries: string[]; lastOffset: number }> {
  await using instance = makeInstance(levelStorage({ path }));
  const entries: string[] = [];
  for await (const { batches } of instance.stream.consumeSpace({ storeId: STORE, space: "orders" })) {
    for (const { segment, firstSequence, firstOffset, transaction, commitTime, records } of batches) {
      const place = [segment, firstSequence, firstOffset, transaction?.id, commitTime?.seconds, commitTime?.nanos];
      entries.push([...place, ...records.map(({ payload }) => Buffer.from(payload).toString("hex"))].join(" "));
    }
  }
  const { status } = await instance.stream.getSpaceStatus({ storeId: STORE, space: "orders" });
  return { entries, lastOffset: Number(status?.lastOffset ?? 0) };
}

describe("an import", () => {
  it("that is killed again and again ends with the same entries, each once", async () => {
    await using folder = await temporaryFolder();
    const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
    let file: Buffer;
    {
      await using source = makeInstance(levelStorage({ path: from }));
      // Payloads that do not compress: the file is some megabytes, and its import has several commits.
      for (let i = 0; i < 60; i++) {
        await write(source, STORE, "orders", ["a", "b"], { payload: randomBytes(60_000).toString("latin1") });
      }
      await source.stream.trimSegment({ storeId: STORE, space: "orders", segment: "a", beforeSequence: 21n });
      file = await exported(source, STORE);
    }
    const expected = await contentOf(from);
    let reached = 0;
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      const input = file.subarray(0, Math.floor(file.length * share));
      const words = ["import", "--path", to];
      const { signal, error } = await streamkitServer(words, { input, killAfterInput: share < 1 });
      if (share < 1) expect(signal, error).toBe("SIGKILL");
      const { entries, lastOffset } = await contentOf(to);
      // A whole number of transactions, and never fewer than before.
      expect(entries).toEqual(expected.entries.filter((entry) => Number(entry.split(" ")[2]) <= lastOffset));
      expect(lastOffset % 2).toBe(0);
      expect(lastOffset).toBeGreaterThanOrEqual(reached);
      reached = lastOffset;
    }
    expect(await contentOf(to)).toEqual(expected);
    await writeFile(join(folder.path, "file.skx"), file);
    const again = await streamkitServer(["import", "--path", to, "--file", join(folder.path, "file.skx")]);
    expect(again).toMatchObject({ code: 0, error: expect.stringMatching(/^imported 0 entries .*, which had 100 of/) });
  }, 600_000);
});

describe("the commands", () => {
  it("have an exit code for each kind of error, leave no partial file, and name the place", async () => {
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    const run = (...words: string[]) => streamkitServer(words, { cwd });
    const line = (name: string, of: Record<string, unknown>) => writeFile(join(cwd, name), JSON.stringify(of));
    await line("line.ndjson", { space: "orders", segment: "a", text: "\u00e9" });
    const ndjson = ["--format", "ndjson", "--store", STORE];
    expect(await run("import", ...ndjson, "--file", "line.ndjson")).toMatchObject({ code: 0 });
    expect(await run("export", "--store", STORE, "--file", "a.skx")).toMatchObject({ code: 0 });
    expect((await stat(join(cwd, "a.skx"))).mode & 0o777).toBe(0o600);
    const file = await readFile(join(cwd, "a.skx"));
    await writeFile(join(cwd, "cut.skx"), file.subarray(0, file.length - 1));
    await line("bad.ndjson", { segment: "a" });

    const other = ["--store", crypto.randomUUID()];
    const cases: [words: string[], code: number, message: string][] = [
      [["export", "--file", "b.skx"], 2, "--store is missing"],
      [["export", "--store", "x"], 2, '--store is "x"; expected a UUID'],
      [["export", ...other, "--file", "b.skx"], 4, "there is no store"],
      [["verify", "--file", "cut.skx"], 3, "inside of a chunk (chunk 5, at byte"],
      [["verify", "--file", "none.skx"], 3, "cannot be read"],
      [["import", "--file", "cut.skx", ...other], 3, "inside of a chunk"],
      [["import", ...ndjson, "--file", "bad.ndjson"], 3, 'line 1 has no "space"'],
      [["verify", "--help"], 0, ""],
    ];
    for (const [words, code, message] of cases) {
      const ended = await run(...words);
      expect(ended.error, words.join(" ")).toContain(message);
      expect(ended.code, words.join(" ")).toBe(code);
    }
    expect((await readdir(cwd)).sort()).toEqual(["a.skx", "bad.ndjson", "cut.skx", "data", "line.ndjson"]);
    // The damaged file has created no store.
    expect((await readdir(join(cwd, "data"))).filter((name) => name.length === 36)).toEqual([STORE]);
  }, 600_000);
});

describe("a reader in Python, written from docs/export.md", () => {
  it.each(["none", "zstd"] as const)(
    "reads the same entries, with compression %s",
    async (compression) => {
      await using folder = await temporaryFolder();
      await using source = makeInstance(levelStorage({ path: join(folder.path, "from") }));
      for (let i = 0; i < 5; i++)
        await write(source, STORE, "orders", ["a", "b"], { payload: `${i}\u0000`.repeat(200) });
      await write(source, STORE, "audit", ["log"]);
      await source.stream.trimSegment({ storeId: STORE, space: "orders", segment: "a", beforeSequence: 3n });
      const file = await exported(source, STORE, { compression });
      await writeFile(join(folder.path, "a.skx"), file);
      const read = async (name: string) => {
        const { stdout } = await promisify(execFile)("python3", [READER, join(folder.path, name)]);
        return stdout
          .trimEnd()
          .split("\n")
          .map((text) => JSON.parse(text));
      };
      const found = await read("a.skx");
      expect(found).toHaveLength(9);
      expect(found.slice(1)).toEqual(await shownEntries(source));
      file[file.length - 40] ^= 1;
      await writeFile(join(folder.path, "b.skx"), file);
      await expect(read("b.skx")).rejects.toThrow("is damaged");
      await expect(imported(source, STORE, file)).rejects.toThrow("fails its checksum");
    },
    120_000,
  );
});

/** Entries as the reader prints them. */
async function shownEntries(instance: Instance): Promise<object[]> {
  const entries: object[] = [];
  for await (const { batches } of instance.stream.consumeSpace({ storeId: STORE, space: "orders" })) {
    for (const { space, segment, firstSequence, firstOffset, commitTime, transaction, records } of batches) {
      for (const [index, { payload, metadata }] of records.entries()) {
        entries.push({
          space,
          segment,
          sequence: Number(firstSequence) + index,
          offset: Number(firstOffset) + index,
          micros: Number(commitTime?.seconds) * 1e6 + (commitTime?.nanos ?? 0) / 1e3,
          transaction: transaction?.id,
          number: Number(transaction?.number),
          metadata,
          base64: Buffer.from(payload).toString("base64"),
        });
      }
    }
  }
  return entries;
}
