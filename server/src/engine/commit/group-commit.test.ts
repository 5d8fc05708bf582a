import { ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { ServerError } from "../../errors.ts";
import { GroupCommit, type Mutation, type Outcome } from "./group-commit.ts";

const mutation = (bytes = 1, operations = 1, session?: { failed: boolean }): Mutation<number> => ({
  segments: [],
  bytes,
  operations,
  session,
  apply: () => bytes,
});

/** A committer whose commits end when the test decides. */
function scripted(limits = { bytes: 100, operations: 100 }) {
  const groups: { size: number; end: (how?: Error) => void; again: () => void }[] = [];
  /** Number of mutations at each attempt of the current group. */
  const attempts: number[] = [];
  const commit = (members: () => readonly Mutation<unknown>[]) =>
    new Promise<readonly Outcome[]>((resolve, reject) => {
      let mutations = members();
      const end = (error?: Error) =>
        error === undefined ? resolve(mutations.map((m) => ({ value: m.bytes }))) : reject(error);
      const again = () => {
        mutations = members();
        attempts.push(mutations.length);
      };
      groups.push({ size: mutations.length, end, again });
    });
  const { bytes, operations } = limits;
  return { groups, attempts, commits: new GroupCommit(() => ({ bytes, operations: () => operations }), commit) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("group commit", () => {
  it("commits the mutations of one turn together, and those that arrive meanwhile next", async () => {
    const { groups, commits } = scripted();
    const first = [commits.submit(mutation()), commits.submit(mutation())];
    await turn();
    const second = [commits.submit(mutation()), commits.submit(mutation()), commits.submit(mutation())];
    await turn();
    expect(groups.map((g) => g.size)).toEqual([2]);
    expect(commits.idle).toBe(false);
    groups[0].end();
    await Promise.all(first);
    await turn();
    expect(groups.map((g) => g.size)).toEqual([2, 3]);
    groups[1].end();
    await Promise.all(second);
    await turn();
    expect(commits.idle).toBe(true);
    expect(commits.queuedBytes).toBe(0);
  });

  it("acknowledges no mutation before its own commit (G4)", async () => {
    const { groups, commits } = scripted();
    const done: string[] = [];
    void commits.submit(mutation()).then(() => done.push("first"));
    await turn();
    void commits.submit(mutation()).then(() => done.push("second"));
    groups[0].end();
    await turn();
    expect(done).toEqual(["first"]);
    groups[1].end();
    await turn();
    expect(done).toEqual(["first", "second"]);
  });

  it("keeps groups within bytes and operations, but lets a large one through alone", async () => {
    const { groups, commits } = scripted({ bytes: 10, operations: 3 });
    const all = [4, 6, 1, 50, 1, 1, 1, 1].map((bytes) => commits.submit(mutation(bytes)));
    for (let i = 0; i < 5; i++) {
      await turn();
      groups[i]?.end();
    }
    expect(await Promise.all(all)).toEqual([4, 6, 1, 50, 1, 1, 1, 1]);
    expect(groups.map((g) => g.size)).toEqual([2, 1, 1, 3, 1]);
  });

  it("adds mutations that arrive during an attempt to the next one, in order, as far as they fit", async () => {
    const { groups, attempts, commits } = scripted({ bytes: 10, operations: 100 });
    const first = commits.submit(mutation(3));
    await turn();
    const joining = [4, 3, 1].map((bytes) => commits.submit(mutation(bytes)));
    groups[0].again();
    groups[0].again();
    expect(attempts).toEqual([3, 3]);
    groups[0].end();
    expect(await Promise.all([first, joining[0], joining[1]])).toEqual([3, 4, 3]);
    await turn();
    expect(groups.map((g) => g.size)).toEqual([1, 1]);
    groups[1].end();
    expect(await joining[2]).toBe(1);
    expect(commits.queuedBytes).toBe(0);
  });

  it("fails the whole group if the write fails, marks its sessions, and continues with the next", async () => {
    const { groups, commits } = scripted();
    const session = { failed: false };
    const first = commits.submit(mutation(1, 1, session));
    const other = commits.submit(mutation());
    await turn();
    const next = commits.submit(mutation());
    groups[0].end(new ServerError(ErrorReason.STORAGE_UNAVAILABLE, "down"));
    await expect(first).rejects.toThrow("down");
    await expect(other).rejects.toThrow("down");
    expect(session.failed).toBe(true);
    await turn();
    groups[1].end();
    await expect(next).resolves.toBe(1);
    expect(commits.queuedBytes).toBe(0);
  });

  it("fails a group whose commit fails before it has read the group", async () => {
    let attempts = 0;
    const limits = () => ({ bytes: 100, operations: () => 1 });
    const commits = new GroupCommit(limits, async (members) => {
      // A bound, because an endless loop would also stop the test from ending.
      if (++attempts <= 10) throw new Error("cannot be loaded");
      return members().map(() => ({ value: 0 }));
    });
    const outcomes = await Promise.allSettled([commits.submit(mutation()), commits.submit(mutation())]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(attempts).toBe(2);
    await turn();
    expect([commits.idle, commits.queuedBytes]).toEqual([true, 0]);
  });

  it("refuses one mutation without the others, and marks its session", async () => {
    const session = { failed: false };
    const refusal = new ServerError(ErrorReason.FENCED, "fenced");
    const commits = new GroupCommit(
      () => ({ bytes: 100, operations: () => 100 }),
      async (members) => (members().length === 2 ? [{ error: refusal }, { value: 2 }] : []),
    );
    const refused = commits.submit(mutation(1, 1, session));
    const applied = commits.submit(mutation(2));
    await expect(refused).rejects.toBe(refusal);
    await expect(applied).resolves.toBe(2);
    expect(session.failed).toBe(true);
  });
});
