import { expect, test } from "vitest";
import { ModelService } from "../../test/model-service.ts";
import { createStreamkitClient } from "../index.ts";

const ID = "0d6f4b0e-9a54-4b8c-bd0e-0f6f0a4b6a11";
const one = Uint8Array.of(1);
const reused = expect.objectContaining({ reason: "TRANSACTION_ID_REUSED", retryable: false });

function open() {
  const model = new ModelService();
  const space = createStreamkitClient({ transport: model.transport() }).store("x").space("s");
  return { model, space, a: space.segment("a"), b: space.segment("b") };
}

test("a repeated append gets its first result", async () => {
  const { model, space, a } = open();
  const first = await a.append([one, one], { transactionId: ID });
  expect(await a.append([one, one], { transactionId: ID })).toEqual({ ...first, deduplicated: true });
  expect(await space.append([{ segment: "a", records: [one, one] }], { transactionId: ID })).toMatchObject({
    deduplicated: true,
  });
  expect(model.entries).toHaveLength(2);
});

test("the id of another transaction is an error, and not the result of the other", async () => {
  const { model, space, a, b } = open();
  await a.append([one, one], { transactionId: ID });
  const others = [
    () => b.publish(one, { transactionId: ID }),
    () => b.append([one, one], { transactionId: ID }),
    () => a.publish(one, { transactionId: ID }),
    () => space.append([{ segment: "b", records: [one, one] }], { transactionId: ID }),
    () =>
      space.append(
        [
          { segment: "a", records: [one, one] },
          { segment: "b", records: [one] },
        ],
        { transactionId: ID },
      ),
  ];
  for (const other of others) await expect(other()).rejects.toEqual(reused);
  await expect(b.publish(one, { transactionId: ID })).rejects.toThrow(
    `transaction ${ID} of space "s" was committed before by another append, which wrote sequences 1 to 2 of "a"; ` +
      'the records of this one, 1 to "b", are not written',
  );
  expect(model.entries).toHaveLength(2);
});

test("a session ends with the transaction whose id was used before", async () => {
  const { space, a } = open();
  await a.publish(one, { transactionId: ID });
  await using session = space.session();
  await session.append([{ segment: "b", records: [one] }]);
  await expect(session.append([{ segment: "b", records: [one] }], { transactionId: ID })).rejects.toEqual(reused);
  await expect(session.append([{ segment: "b", records: [one] }])).rejects.toMatchObject({ reason: "SESSION_ABORTED" });
});
