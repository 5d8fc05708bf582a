import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { failure, ModelService, unavailable } from "../../test/model-service.ts";
import { createStreamkitClient, describeTransport } from "../index.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const NO_DELAY = { initialDelayMillis: 0, maxDelayMillis: 0 };

function spaceOf(model: ModelService, duplex: boolean, retry: object = NO_DELAY) {
  const transport = describeTransport(model.transport(), { format: "binary", duplex });
  return createStreamkitClient({ transport, retry }).store(STORE).space("s");
}

for (const duplex of [true, false]) {
  const over = duplex ? "Produce" : "unary appends";

  test(`G7: over ${over}, every transaction is written once and in order, wherever the connection breaks`, async () => {
    const breaks = fc.uniqueArray(fc.nat(25), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), breaks, breaks, async (count, before, after) => {
        const model = new ModelService();
        let asked = 0;
        let committed = 0;
        model.faults.beforeResponse = () => {
          if (before.includes(asked++)) throw unavailable();
        };
        model.faults.afterCommit = () => {
          if (after.includes(committed++)) throw new ConnectError("reset", Code.Aborted);
        };
        await using session = spaceOf(model, duplex, { ...NO_DELAY, maxAttempts: 30 }).session();
        const results = await Promise.all(
          Array.from({ length: count }, (_, i) =>
            session.append([{ segment: "a", records: [Uint8Array.of(i)] }], { transactionId: id(i) }),
          ),
        );
        expect(model.entries.map((entry) => entry.payload[0])).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(results.map((result) => [result.transactionId, result.ranges[0].firstSequence])).toEqual(
          Array.from({ length: count }, (_, i) => [id(i), i + 1]),
        );
      }),
      { numRuns: 150 },
    );
  });

  test(`over ${over}, the first failure that retries cannot help stops everything behind it`, async () => {
    const model = new ModelService();
    const session = spaceOf(model, duplex).session();
    const good = session.append([{ segment: "a", records: [Uint8Array.of(1)] }]);
    const bad = session.append([{ segment: "a", records: [Uint8Array.of(2)], expectedLastSequence: 9 }]);
    const behind = session.append([{ segment: "a", records: [Uint8Array.of(3)] }]);
    const outcomes = await Promise.allSettled([good, bad, behind]);
    expect(outcomes).toMatchObject([
      { status: "fulfilled", value: { ranges: [{ firstSequence: 1 }] } },
      {
        status: "rejected",
        reason: { reason: "SEQUENCE_MISMATCH", segment: "a", expectedLastSequence: 9, actualLastSequence: 1 },
      },
      { status: "rejected", reason: { reason: "SESSION_ABORTED", cause: { reason: "SEQUENCE_MISMATCH" } } },
    ]);
    await expect(session.append([{ segment: "a" }])).rejects.toMatchObject({ reason: "SESSION_ABORTED" });
    await session.ready();
    await session.close();
    expect(model.entries.map((entry) => entry.payload[0])).toEqual([1]);
  });

  test(`over ${over}, attempts without progress are bounded`, async () => {
    const model = new ModelService();
    let attempts = 0;
    model.faults.beforeResponse = () => {
      attempts += 1;
      throw unavailable();
    };
    await using session = spaceOf(model, duplex, { ...NO_DELAY, maxAttempts: 3 }).session();
    await expect(session.append([{ segment: "a", records: [new Uint8Array(1)] }])).rejects.toMatchObject({
      reason: "STORAGE_UNAVAILABLE",
      retryable: true,
    });
    expect(attempts).toBe(3);
  });

  test(`over ${over}, progress starts the count of attempts anew`, async () => {
    const model = new ModelService();
    let asked = 0;
    model.faults.beforeResponse = () => {
      if (asked++ % 2 === 0) throw unavailable();
    };
    await using session = spaceOf(model, duplex, { ...NO_DELAY, maxAttempts: 2 }).session();
    const appends = Array.from({ length: 5 }, (_, i) =>
      session.append([{ segment: "a", records: [Uint8Array.of(i)] }]),
    );
    await Promise.all(appends);
    expect(model.entries).toHaveLength(5);
  });

  test(`over ${over}, an idle session that lost its connection goes on`, async () => {
    const model = new ModelService();
    await using session = spaceOf(model, duplex).session();
    await session.append([{ segment: "a", records: [Uint8Array.of(1)] }]);
    let broken = false;
    model.faults.beforeResponse = () => {
      if (!broken) {
        broken = true;
        throw failure(Code.Unavailable, ErrorReason.SHUTTING_DOWN, true);
      }
    };
    await session.append([{ segment: "a", records: [Uint8Array.of(2)] }]);
    expect(model.entries.map((entry) => entry.payload[0])).toEqual([1, 2]);
  });
}

test("the signal ends a session with CANCELED", async () => {
  const model = new ModelService();
  const controller = new AbortController();
  model.faults.beforeResponse = () => {
    controller.abort();
    throw unavailable();
  };
  const session = spaceOf(model, true).session({ signal: controller.signal });
  await expect(session.append([{ segment: "a", records: [new Uint8Array(1)] }])).rejects.toMatchObject({
    reason: "CANCELED",
  });
  await session.close();
});

test("ready waits for room", async () => {
  const model = new ModelService();
  await using session = spaceOf(model, true).session({ maxInFlight: 2 });
  const acks: number[] = [];
  for (let i = 0; i < 6; i++) {
    await session.ready();
    expect(i - acks.length).toBeLessThanOrEqual(2);
    void session.append([{ segment: "a", records: [Uint8Array.of(i)] }]).then(() => acks.push(i));
  }
});

function id(i: number): string {
  return `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
}
