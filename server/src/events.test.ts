import { ErrorReason } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dataLoss, NotTriedError, ServerError, StoreClosedError, storageUnavailable } from "./errors.ts";
import type { Report, StreamkitEvent } from "./event.ts";
import { Events } from "./events.ts";

const failed: Report = { level: "error", kind: "storage-failed", message: "the disk is gone", storeId: "a" };

function gathered(intervalMillis = 30_000) {
  const got: StreamkitEvent[] = [];
  return { got, events: new Events((event) => got.push(event), intervalMillis) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("Events", () => {
  it("reports the first event of a kind and store at once, and the number of the others at the end of the interval", () => {
    const { got, events } = gathered();
    for (let i = 0; i < 500; i++) events.report({ ...failed, message: `failure ${i}` });
    events.report({ ...failed, storeId: "b" });
    events.report({ ...failed, kind: "background-failed" });
    expect(got.map(({ kind, storeId, count }) => [kind, storeId, count])).toEqual([
      ["storage-failed", "a", 1],
      ["storage-failed", "b", 1],
      ["background-failed", "a", 1],
    ]);
    vi.advanceTimersByTime(30_000);
    expect(got.slice(3)).toEqual([{ ...failed, message: "failure 499", count: 499 }]);
    vi.advanceTimersByTime(300_000);
    expect(got).toHaveLength(4);
    events.report(failed);
    expect(got).toHaveLength(5);
    expect(events.counts().kinds.get("storage-failed")).toBe(502);
  });

  it("reports lost data every time", () => {
    const { got, events } = gathered();
    for (let i = 0; i < 3; i++) events.failure(dataLoss("a block is missing"), "reading", "a");
    expect(got.map(({ kind, count }) => [kind, count])).toEqual(Array(3).fill(["data-loss", 1]));
  });

  it("reports retained events when it is flushed", () => {
    const { got, events } = gathered();
    for (let i = 0; i < 3; i++) events.report(failed);
    events.flush();
    expect(got.map(({ count }) => count)).toEqual([1, 2]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("bounds memory and output when many stores fail", () => {
    const { got, events } = gathered();
    for (let i = 0; i < 10_000; i++) events.report({ ...failed, storeId: `store ${i}` });
    expect(got.length).toBeLessThan(300);
    expect(vi.getTimerCount()).toBeLessThan(300);
    vi.advanceTimersByTime(30_000);
    expect(got.reduce((sum, { count }) => sum + count, 0)).toBe(10_000);
    vi.advanceTimersByTime(30_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ignores errors that were reported before, and their consequences", () => {
    const { got, events } = gathered();
    const first = storageUnavailable("the database failed", new Error("EIO"));
    events.failure(first, "Append", "a");
    events.failure(first, "Append", "a");
    events.failure(storageUnavailable("an earlier write failed", first), "Append", "a");
    events.failure(new NotTriedError(ErrorReason.STORAGE_UNAVAILABLE, "not tried"), "Append", "a");
    events.failure(new StoreClosedError(), "Append", "a");
    events.failure(new ServerError(ErrorReason.SEQUENCE_MISMATCH, "no"), "Append", "a");
    expect(got).toEqual([
      {
        level: "error",
        kind: "storage-failed",
        message: "Append: the database failed",
        storeId: "a",
        cause: first,
        count: 1,
      },
    ]);
  });

  it("counts refusals by reason", () => {
    const { events } = gathered();
    events.refused(ErrorReason.FENCED);
    events.refused(ErrorReason.FENCED);
    events.refused(ErrorReason.OVERLOADED);
    expect([...events.counts().refusals]).toEqual([
      [ErrorReason.FENCED, 2],
      [ErrorReason.OVERLOADED, 1],
    ]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("the receiver is broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("the receiver is broken"))],
  ])("survives a receiver that %s", (_, receiver) => {
    const events = new Events(receiver);
    for (let i = 0; i < 3; i++) events.report(failed);
    events.failure(dataLoss("gone"), "reading");
    vi.advanceTimersByTime(30_000);
    events.flush();
    expect(events.counts().kinds.get("storage-failed")).toBe(3);
  });
});
