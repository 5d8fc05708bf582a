import { LIMITS } from "@streamkit/protocol";
import { expect, test } from "vitest";
import { ModelService } from "../../test/model-service.ts";
import { createStreamkitClient } from "../index.ts";
import type { SegmentAppend } from "./transaction.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const empty = new Uint8Array(0);
const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, ""]));

function open() {
  const model = new ModelService();
  const space = createStreamkitClient({ transport: model.transport() }).store(STORE).space("s");
  return { model, space };
}

const TOO_LARGE: Record<string, readonly [SegmentAppend<unknown>[], object]> = {
  "a record": [
    [{ segment: "b", records: [{ payload: new Uint8Array(LIMITS.maxRecordBytes), metadata: { a: "" } }] }],
    { reason: "RECORD_TOO_LARGE", segment: "b", fieldViolations: [{ field: "appends[0].records[0]" }] },
  ],
  "records that are too many": [
    [{ segment: "a", records: Array.from({ length: LIMITS.maxTransactionRecords + 1 }, () => empty) }],
    { reason: "TRANSACTION_TOO_LARGE", fieldViolations: [{ field: "appends" }] },
  ],
  "records that are too large together": [
    ["a", "b"].map((segment) => ({ segment, records: [new Uint8Array(LIMITS.maxTransactionBytes / 2 + 1)] })),
    { reason: "TRANSACTION_TOO_LARGE" },
  ],
  "too many segments": [
    Array.from({ length: LIMITS.maxTransactionSegments + 1 }, (_, i) => ({ segment: `s${i}`, records: [empty] })),
    { reason: "TRANSACTION_TOO_LARGE" },
  ],
  "an encoding with too many labels": [
    [{ segment: "a", records: [{ payload: empty, metadata: labels(120_000) }] }],
    { reason: "TRANSACTION_TOO_LARGE" },
  ],
};

for (const [what, [appends, error]] of Object.entries(TOO_LARGE)) {
  test(`LIM-003 to LIM-009: ${what} is refused before anything is sent`, async () => {
    const { model, space } = open();
    const refused = { ...error, code: "invalid_argument", retryable: false };
    await expect(space.append(appends as never)).rejects.toMatchObject(refused);
    await using session = space.session();
    await expect(session.append(appends as never)).rejects.toMatchObject(refused);
    // A session never skips a transaction.
    const behind = session.append([{ segment: "a", records: [Uint8Array.of(1)] }]);
    await expect(behind).rejects.toMatchObject({ reason: "SESSION_ABORTED", cause: error });
    await session.ready();
    expect(model.entries).toEqual([]);
  });
}

test("a production ends at a record that is too large; what came before it is written", async () => {
  const { model, space } = open();
  const source = [Uint8Array.of(1), new Uint8Array(LIMITS.maxRecordBytes + 1), Uint8Array.of(3)];
  await expect(space.segment("a").produce(source)).rejects.toMatchObject({
    reason: "RECORD_TOO_LARGE",
    segment: "a",
    acknowledged: { records: 1, transactions: 1 },
  });
  expect(model.entries.map(({ payload }) => payload[0])).toEqual([1]);
});

test("what is as large as the limits allow is sent", async () => {
  const { model, space } = open();
  await space.segment("a").publish(new Uint8Array(LIMITS.maxRecordBytes));
  await space.segment("a").append(Array.from({ length: LIMITS.maxTransactionRecords }, () => empty));
  expect(model.entries).toHaveLength(1 + LIMITS.maxTransactionRecords);
});
