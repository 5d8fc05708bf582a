import { describe, expect, it } from "vitest";
import { storageUnavailable } from "./errors.ts";
import type { StreamkitEvent } from "./event.ts";
import { formatEvent } from "./format-event.ts";

const errno = Object.assign(new Error("EIO: i/o error, open '/data/x'"), { code: "EIO" });
const event: StreamkitEvent = {
  level: "error",
  kind: "storage-failed",
  message: "Append: the database failed",
  storeId: "5f0c",
  cause: storageUnavailable("the database failed", errno),
  count: 7,
};

describe("formatEvent", () => {
  it("writes text with the message, the store, the cause and the count", () => {
    expect(formatEvent(event, "text")).toBe(
      "streamkit: error: storage-failed: Append: the database failed (store 5f0c): EIO: i/o error, open '/data/x' [7 times]",
    );
  });

  it("adds the code of a cause if its message lacks the code", () => {
    const cause = Object.assign(new Error("could not be written"), { code: "LEVEL_IO_ERROR" });
    expect(formatEvent({ ...event, cause, count: 1 }, "text")).toMatch(/: could not be written \(LEVEL_IO_ERROR\)$/);
  });

  it("writes JSON, one object per line", () => {
    const line = formatEvent(event, "json", new Date(0));
    expect(JSON.parse(line)).toEqual({
      time: "1970-01-01T00:00:00.000Z",
      level: "error",
      kind: "storage-failed",
      message: "Append: the database failed",
      storeId: "5f0c",
      cause: "EIO: i/o error, open '/data/x'",
      count: 7,
    });
  });

  it("gives the stack of a defect", () => {
    const defect: StreamkitEvent = { ...event, kind: "internal-error", cause: new TypeError("x is not a function") };
    expect(formatEvent(defect, "text")).toMatch(/x is not a function \| at .*format-event\.test/);
    expect(JSON.parse(formatEvent(defect, "json")).stack[0]).toMatch(/^at /);
  });

  it.each(["text", "json"] as const)("writes one line of bounded length for any error (%s)", (format) => {
    const cause = new Error(`first\nstreamkit: error: forged\r\u001b[31m${"x".repeat(100_000)}`);
    const line = formatEvent({ ...event, cause }, format);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the line must not contain them
    expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
    expect(line.length).toBeLessThan(3_000);
  });

  it("ends for circular causes", () => {
    const cause = new Error("round");
    cause.cause = cause;
    expect(formatEvent({ ...event, cause }, "text")).toContain(": round");
  });
});
