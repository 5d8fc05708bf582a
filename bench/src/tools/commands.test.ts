import { describe, expect, it } from "vitest";
import { measureCommands } from "./commands.ts";

const job = { stream: "s", aggregates: 3, entries: 2, concurrency: 8, commands: 60, seed: 1 };

describe("measureCommands", () => {
  it("tries again until each command has saved its event, and counts the conflicts", async () => {
    const saved = [2, 2, 2];
    const { conflicts, perSecond, p50, p99 } = await measureCommands(job, async (aggregate) => {
      const last = saved[aggregate];
      await Promise.resolve();
      if (saved[aggregate] !== last) return undefined;
      return ++saved[aggregate];
    });
    expect(saved.reduce((sum, last) => sum + last)).toBe(6 + 60);
    expect(Math.min(...saved)).toBeGreaterThan(10);
    expect(conflicts).toBeGreaterThan(0);
    expect(perSecond).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
  });

  it("fails if two commands save an event at one place", async () => {
    await expect(measureCommands(job, () => 3)).rejects.toThrow("60 commands saved events at 3 places");
  });

  it("fails if an event takes the place of an earlier one", async () => {
    await expect(measureCommands(job, () => 2)).rejects.toThrow("saved at 2");
  });
});
