import { ErrorReason } from "@streamkit/protocol";
import { MemoryLevel } from "memory-level";
import { beforeEach, describe, expect, it } from "vitest";
import type { CommitBatch, CommitResult, RowVersion } from "../port.ts";
import type { Database, Operation } from "./database.ts";
import { VersionCounter } from "./version-counter.ts";
import { WriteQueue } from "./write-queue.ts";

/** A write that waits until the test ends it. */
interface Write {
  readonly operations: Operation[];
  readonly options: unknown;
  proceed(error?: Error): Promise<void>;
}

let writes: Write[];
let commits: WriteQueue;

beforeEach(async () => {
  const database = new MemoryLevel<Uint8Array, Uint8Array>({
    storeEncoding: "view",
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await database.open();
  writes = [];
  const stepped = new Proxy<Database>(database, {
    get: (_, name) => {
      if (name === "batch") return (...batch: [Operation[], object]) => steppedBatch(database, ...batch);
      const member: unknown = Reflect.get(database, name);
      return typeof member === "function" ? member.bind(database) : member;
    },
  });
  commits = new WriteQueue(stepped, await VersionCounter.recover(stepped));
});

function steppedBatch(database: Database, operations: Operation[], options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    writes.push({
      operations,
      options,
      proceed: async (error) => {
        if (error !== undefined) return reject(error);
        await database.batch(operations, options);
        resolve();
      },
    });
  });
}

describe("the write queue", () => {
  it("writes and syncs at once when idle, and merges the commits of all partitions that arrive meanwhile", async () => {
    const first = commits.commit("a", put("k"));
    await microtasks();
    expect(writes.length).toBe(1);
    expect(writes[0].options).toEqual({ sync: true });
    const later = ["a", "b", "c"].map((partition) => commits.commit(partition, put("x")));
    await microtasks();
    expect(writes.length).toBe(1);
    await writes[0].proceed();
    await first;
    await microtasks();
    expect(writes.length).toBe(2);
    expect(writes[1].operations.length).toBe(3);
    await writes[1].proceed();
    for (const result of await Promise.all(later)) expect(result.committed).toBe(true);
  });

  it("shows a commit to the conditions of later commits in the same batch", async () => {
    const results = Promise.all([
      commits.commit("a", put("k", null)),
      commits.commit("a", put("k", null)),
      commits.commit("b", put("k", null)),
    ]);
    await microtasks();
    expect(writes.length).toBe(1);
    await writes[0].proceed();
    expect((await results).map((result) => result.committed)).toEqual([true, false, true]);
  });

  it("answers a conflict only once the row that caused it can be read", async () => {
    const first = commits.commit("a", put("k", null));
    const answered: CommitResult[] = [];
    const second = commits.commit("a", put("k", null)).then((result) => answered.push(result));
    await microtasks();
    expect(answered).toEqual([]);
    await writes[0].proceed();
    await Promise.all([first, second]);
    expect(answered).toEqual([{ committed: false }]);
  });

  it("starts another batch at 8 MiB", async () => {
    const big = Buffer.alloc(3 * 1024 * 1024);
    const all = Promise.all(["a", "b", "c", "d"].map((key) => commits.commit("p", put(key, undefined, big))));
    await microtasks();
    // The counter, and two of the four commits.
    expect(writes[0].operations.length).toBe(3);
    await writes[0].proceed();
    await microtasks();
    expect(writes[1].operations.length).toBe(2);
    await writes[1].proceed();
    await all;
  });

  it("fails all commits after a failed write, without writing again (G4)", async () => {
    const outcomes = [commits.commit("a", put("k"))];
    await microtasks();
    outcomes.push(commits.commit("a", put("l")), commits.commit("b", put("m")));
    const settled = Promise.allSettled(outcomes);
    await writes[0].proceed(
      Object.assign(new Error("IO error: 000003.log: No space left on device"), { code: "LEVEL_IO_ERROR" }),
    );
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { reason: ErrorReason.DISK_FULL } });
    }
    expect(writes.length).toBe(1);
    expect(() => commits.assertUsable()).toThrow("must be reopened");
    await expect(commits.commit("a", put("n"))).rejects.toMatchObject({ reason: ErrorReason.DISK_FULL });
    expect(writes.length).toBe(1);
  });

  it("reads versions from the database after its cache has dropped them", async () => {
    const keys = Array.from({ length: 10_100 }, (_, index) => Buffer.from(`k${index}`));
    const created = commits.commit("p", {
      conditions: keys.map((key) => ({ key, version: null })),
      puts: keys.map((key) => ({ key, value: [] })),
      deletes: [],
    });
    const result = await finish(created);
    if (!result.committed) throw new Error("conflict");
    for (const index of [0, 50, 10_099]) {
      expect((await finish(commits.commit("p", put(`k${index}`, null)))).committed).toBe(false);
      expect((await finish(commits.commit("p", put(`k${index}`, result.versions[index])))).committed).toBe(true);
    }
  });
});

function put(key: string, version?: RowVersion | null, value: Uint8Array = Buffer.of()): CommitBatch {
  return {
    conditions: version === undefined ? [] : [{ key: Buffer.from(key), version }],
    puts: [{ key: Buffer.from(key), value: [value] }],
    deletes: [],
  };
}

/** Ends the write of a commit, if there is one. */
async function finish(commit: Promise<CommitResult>): Promise<CommitResult> {
  await microtasks();
  await writes.pop()?.proceed();
  return commit;
}

/** Runs all code that waits for no timer and no write. */
async function microtasks(): Promise<void> {
  for (let count = 0; count < 20; count++) await undefined;
}
