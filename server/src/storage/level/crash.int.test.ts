/** The state after a crash, a power loss or a disk failure (faults 1 to 5), with real processes and files. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PartitionStore } from "../port.ts";
import { levelStorage } from "./index.ts";

const writer = fileURLToPath(new URL("crash-writer.ts", import.meta.url));
const children = new Set<ChildProcess>();
let path: string;
let storeId: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "streamkit-crash-"));
  storeId = randomUUID();
});

afterEach(async () => {
  for (const child of children) kill(child);
  children.clear();
  await rm(path, { recursive: true, force: true });
});

describe("a killed process", () => {
  it("leaves every acknowledged commit, and the commit in flight whole or absent, 20 times over", async () => {
    let next = 1;
    for (let round = 0; round < 20; round++) {
      const killAfter = next + Math.floor(Math.random() * 15);
      // Values of three blocks of the log, so that a kill also hits between the fragments of a record.
      const lastAcked = await runWriter(next, 100_000, (line, child) => {
        if (line === `acked ${killAfter}`) setTimeout(() => kill(child), Math.random() * 3);
      });
      expect(lastAcked.number).toBeGreaterThanOrEqual(killAfter);
      next = (await verifiedCount(lastAcked.number)) + 1;
    }
  }, 120_000);
});

describe("a power loss", () => {
  it("keeps every acknowledged commit: the log up to it is on disk", async () => {
    const store = (await levelStorage({ path }).open(storeId, { create: true }))!;
    const directory = join(path, storeId);
    const sizes: { acked: number; log: string; bytes: number }[] = [];
    for (let number = 1; number <= 20; number++) {
      await commitLikeWriter(store, number);
      const log = (await readdir(directory))
        .filter((name) => name.endsWith(".log"))
        .sort()
        .at(-1)!;
      sizes.push({ acked: number, log, bytes: (await stat(join(directory, log))).size });
    }
    const live = join(path, "live");
    await cp(directory, live, { recursive: true });
    await store.close();
    // Keep exactly the synced bytes, one byte more, or all of the next commit but its last byte.
    for (const [index, { acked, log, bytes }] of sizes.entries()) {
      const next = sizes[index + 1]?.bytes ?? bytes;
      for (const kept of new Set([bytes, Math.min(bytes + 1, next), Math.max(bytes, next - 1)])) {
        await rm(directory, { recursive: true });
        await cp(live, directory, { recursive: true });
        await truncate(join(directory, log), kept);
        expect(await verifiedCount(acked), `log cut to ${kept} bytes`).toBe(acked);
      }
    }
  });
});

describe("a failing disk", () => {
  beforeAll(() => {
    const found = spawnSync("strace", ["--version"]).status === 0;
    if (!found) throw new Error("strace is needed for this test, and is not installed");
  });

  it("is told to sync before each acknowledgement", async () => {
    const trace = join(path, "trace");
    await runWriter(1, 50_000, killAt(30), ["trace=write,fdatasync,fsync"], ["-y"], trace);
    let synced = true;
    let acked = 0;
    for (const line of (await readFile(trace, "utf8")).split("\n")) {
      // strace splits a sync that another thread interrupts; its end is a line of its own.
      if (/\bwrite\(\d+<[^>]*\.log>/.test(line)) synced = false;
      if (/(\bfdatasync\(\d+<[^>]*\.log>|fdatasync resumed>)\) += 0$/.test(line)) synced = true;
      if (!line.includes('"acked ')) continue;
      expect(synced, line).toBe(true);
      acked += 1;
    }
    expect(acked).toBeGreaterThanOrEqual(30);
  });

  it("stops the store when an fsync fails, until it is reopened", async () => {
    const { lines, number } = await runWriter(1, 100, undefined, [
      "trace=fdatasync,fsync",
      "inject=fdatasync:error=EIO:when=9",
    ]);
    expect(lines.slice(-4)).toEqual([
      `failed ${number + 1} STORAGE_UNAVAILABLE`,
      "later STORAGE_UNAVAILABLE",
      "later STORAGE_UNAVAILABLE",
      "closed",
    ]);
    const count = await verifiedCount(number);
    expect((await runWriter(count + 1, 100, killAt(count + 5))).number).toBeGreaterThanOrEqual(count + 5);
  });

  it("reports a full disk, and works after a reopen once there is space", async () => {
    await (await levelStorage({ path }).open(storeId, { create: true }))!.close();
    // The logs that a second open of a store uses. The first eight writes to them succeed.
    const logs = ["000003.log", "000005.log", "000007.log"].flatMap((name) => ["-P", join(path, storeId, name)]);
    const { lines, number } = await runWriter(
      1,
      100,
      undefined,
      ["trace=write", "inject=write:error=ENOSPC:when=9+"],
      logs,
    );
    expect(lines.slice(-4)).toEqual([`failed ${number + 1} DISK_FULL`, "later succeeded", "later DISK_FULL", "closed"]);
    const count = await verifiedCount(number);
    expect((await runWriter(count + 1, 100, killAt(count + 5))).number).toBeGreaterThanOrEqual(count + 5);
  });
});

type LineListener = (line: string, child: ChildProcess) => void;

/** Kills a child and, if strace runs the program, the program as well: both are in one process group. */
function kill(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL");
}

function killAt(number: number): LineListener {
  return (line, child) => {
    if (line === `acked ${number}`) kill(child);
  };
}

/** Runs the writer until it ends; returns its lines, and the number of its last acknowledged commit. */
async function runWriter(
  first: number,
  valueBytes: number,
  onLine: LineListener = () => {},
  faults: readonly string[] = [],
  filters: readonly string[] = [],
  trace = "/dev/null",
): Promise<{ lines: string[]; number: number }> {
  const program = [
    process.execPath,
    "--conditions=@streamkit/source",
    writer,
    path,
    storeId,
    String(first),
    String(valueBytes),
  ];
  const tracer = ["strace", "-f", "-qq", "-o", trace, ...filters, ...faults.flatMap((fault) => ["-e", fault])];
  const [command, ...args] = faults.length === 0 ? program : [...tracer, ...program];
  const child = spawn(command!, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  children.add(child);
  const closed = once(child, "close");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    onLine(line, child);
  }
  await closed;
  children.delete(child);
  const acked = lines.filter((line) => line.startsWith("acked "));
  return { lines, number: acked.length === 0 ? first - 1 : Number(acked.at(-1)!.slice("acked ".length)) };
}

async function commitLikeWriter(store: PartitionStore, number: number): Promise<void> {
  const name = String(number).padStart(9, "0");
  const value = [Buffer.from(`${number} `), Buffer.alloc(5_000, "x")];
  await store.commit("p", {
    conditions: [],
    puts: [
      { key: Buffer.from("counter"), value: [Buffer.from(String(number))] },
      { key: Buffer.from(`a${name}`), value },
      { key: Buffer.from(`b${name}`), value },
    ],
    deletes: [],
  });
}

/**
 * Reopens the store, and checks that commits 1 to n are there and whole; n is the last acknowledged number or one more.
 */
async function verifiedCount(lastAcked: number): Promise<number> {
  const store = (await levelStorage({ path }).open(storeId, { create: false }))!;
  try {
    const counter = await store.get("p", Buffer.from("counter"));
    const count = counter === undefined ? 0 : Number(Buffer.from(counter.value).toString());
    expect([lastAcked, lastAcked + 1]).toContain(count);
    for (const letter of ["a", "b"]) {
      const numbers: number[] = [];
      for await (const page of store.scan("p", { gte: Buffer.from(letter), lt: Buffer.from(`${letter}~`) })) {
        for (const { key, value } of page) {
          numbers.push(Number(Buffer.from(key.subarray(1)).toString()));
          expect(Buffer.from(value.subarray(0, 20)).toString()).toMatch(new RegExp(`^${numbers.at(-1)} x`));
        }
      }
      expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    }
    return count;
  } finally {
    await store.close();
  }
}
