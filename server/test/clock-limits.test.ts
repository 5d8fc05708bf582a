/** Clocks with impossible times. The server refuses appends and stores nothing wrong, and commit times never repeat. */
import { randomUUID } from "node:crypto";
import { ErrorReason, type ErrorReason as Reason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { commitTimeAfter } from "../src/engine/clock.ts";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { failureOf, type Instance, makeInstance } from "./instance.ts";

const storeId = randomUUID();
const append = (instance: Instance) =>
  instance.stream.append({ storeId, space: "s", appends: [{ segment: "a", records: [{}] }] });
const reasonOf = async (instance: Instance): Promise<Reason | undefined> => (await failureOf(append(instance)))?.reason;

const year = (year: number) => Date.UTC(year, 0, 1) * 1_000;

describe("a clock", () => {
  it.each([
    ["in the year 2300", year(2_300)],
    ["in the year 9999", year(9_999)],
    ["before 1970", -1],
    ["that is no number", Number.NaN],
    ["that is infinite", Number.POSITIVE_INFINITY],
  ])("%s is refused, and the space continues once the clock is set", async (_, wrong) => {
    let now = year(2_026);
    await using instance = makeInstance(memoryStorage(), { clock: () => now });
    const first = await append(instance);
    now = wrong;
    for (let i = 0; i < 3; i++) expect(await reasonOf(instance)).toBe(ErrorReason.INTERNAL);
    now = year(2_027);
    const { ranges, commitTime } = await append(instance);
    expect(ranges[0].firstSequence).toBe(2n);
    expect(commitTime?.seconds).toBe(BigInt(year(2_027) / 1e6));
    expect(commitTime?.seconds).toBeGreaterThan(first.commitTime?.seconds ?? 0n);
    expect(instance.failures.map(({ kind }) => kind)).toContain("internal-error");
  });

  it("near the end leaves room for strictly rising times", async () => {
    await using instance = makeInstance(memoryStorage(), { clock: () => 2 ** 53 - 2 ** 43 });
    const times: bigint[] = [];
    for (let i = 0; i < 50; i++) {
      const { commitTime } = await append(instance);
      times.push((commitTime?.seconds ?? 0n) * 1_000_000n + BigInt((commitTime?.nanos ?? 0) / 1_000));
    }
    for (const [index, time] of times.slice(1).entries()) expect(time).toBeGreaterThan(times[index]);
  });

  it("may return fractions of microseconds", () => {
    expect(commitTimeAfter(0, 12.7)).toBe(12);
  });
});

it("a space at the last possible time refuses appends rather than repeating that time", () => {
  expect(commitTimeAfter(Number.MAX_SAFE_INTEGER - 1, year(2_026))).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => commitTimeAfter(Number.MAX_SAFE_INTEGER, year(2_026))).toThrow(/2255/);
});
