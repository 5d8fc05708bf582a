import { describe, expect, it } from "vitest";
import { untilMeasured } from "./until-measured.ts";

const period = { warmUpMillis: 10, millis: 100 };

describe("untilMeasured", () => {
  it("takes the first result with a commit, and doubles the time for each attempt", async () => {
    const seen: [number, number][] = [];
    const result = await untilMeasured(
      period,
      async ({ millis }, attempt) => {
        seen.push([millis, attempt]);
        return attempt === 2 ? 7 : 0;
      },
      (commits) => commits,
    );
    expect(result).toBe(7);
    expect(seen).toEqual([
      [100, 0],
      [200, 1],
      [400, 2],
    ]);
  });

  it("gives up in the end", async () => {
    await expect(
      untilMeasured(
        period,
        async () => 0,
        (commits) => commits,
      ),
    ).rejects.toThrow("nothing was committed in 3200 ms");
  });
});
