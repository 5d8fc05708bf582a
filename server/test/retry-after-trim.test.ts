/**
 * A retry gets the same answer from the server that committed its transaction and from a server that started later
 * (M15).
 */
import { randomUUID } from "node:crypto";
import { ErrorReason } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import { failureOf, type Instance, makeInstance } from "./instance.ts";

const records = [{}, {}];
const space = "s";
type Trims = readonly (readonly [segment: string, beforeSequence: bigint])[];

const twoExpectations = [
  { segment: "a", expectedLastSequence: 0n, records },
  { segment: "b", expectedLastSequence: 0n, records },
];
const oneExpectation = [
  { segment: "free", records },
  { segment: "a", expectedLastSequence: 0n, records },
];

it.each<[string, typeof twoExpectations | typeof oneExpectation, Trims, "same" | "refused"]>([
  ["nothing is trimmed", twoExpectations, [], "same"],
  ["a part is trimmed after the first record", twoExpectations, [["a", 2n]], "refused"],
  ["all of its first segment is trimmed", twoExpectations, [["a", 3n]], "refused"],
  ["all of another segment is trimmed", twoExpectations, [["b", 3n]], "same"],
  ["a part of a segment without expectation is trimmed", oneExpectation, [["free", 2n]], "same"],
  ["all of a segment without expectation is trimmed", oneExpectation, [["free", 3n]], "refused"],
  [
    "everything is trimmed",
    oneExpectation,
    [
      ["free", 3n],
      ["a", 3n],
    ],
    "refused",
  ],
])("when %s", async (_, appends, trims, outcome) => {
  const storage = memoryStorage();
  const storeId = randomUUID();
  const request = { storeId, space, transactionId: randomUUID(), appends };
  const retry = async (instance: Instance) => {
    const failure = await failureOf(instance.stream.append(request));
    if (failure !== undefined) return failure.reason;
    const { ranges, commitTime, deduplicated } = await instance.stream.append(request);
    return { ranges, commitTime, deduplicated };
  };
  const before = await (async () => {
    await using instance = makeInstance(storage);
    const first = await instance.stream.append(request);
    for (const [segment, beforeSequence] of trims) {
      await instance.stream.trimSegment({ storeId, space, segment, beforeSequence });
    }
    const same = { ranges: first.ranges, commitTime: first.commitTime, deduplicated: true };
    const answer = await retry(instance);
    expect(answer).toEqual(outcome === "same" ? same : ErrorReason.SEQUENCE_MISMATCH);
    return answer;
  })();
  await using restarted = makeInstance(storage);
  expect(await retry(restarted)).toEqual(before);
});
