/** G11: the server notices the loss or damage of any single stored row. It skips, invents and overwrites nothing. */
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../src/storage/memory/index.ts";
import type { Row } from "../src/storage/port.ts";
import { copyWith, fill, readAll, rowsOf, SEGMENTS, space, storeId, withServer } from "./damaged-rows.ts";
import { withLimits } from "./instance.ts";

describe.each([Number.POSITIVE_INFINITY, 400])("rows with references from %d bytes", (threshold) => {
  const filled = async () => {
    const storage = withLimits(memoryStorage(), { referenceThresholdBytes: threshold });
    await withServer(storage, fill);
    const rows = await rowsOf(storage);
    const intact = await withServer(await copyWith(rows, threshold, -1, (value) => value), readAll);
    return { rows, intact };
  };

  it.each([
    ["lost", () => undefined],
    ["cut", (value: Uint8Array) => value.subarray(0, value.length - 1)],
    ["with a flipped bit", (value: Uint8Array) => value.map((byte, i) => (i === value.length - 1 ? byte ^ 4 : byte))],
    ["empty", () => new Uint8Array(0)],
  ])("one of them %s: reads say DATA_LOSS or are complete", async (_, change) => {
    const { rows, intact } = await filled();
    expect(rows.length).toBeGreaterThan(12);
    let noticed = 0;
    for (const index of rows.keys()) {
      const kind = String.fromCharCode(rows[index].key[0]);
      const storage = await copyWith(rows, threshold, index, change);
      const outcome = await withServer(storage, (client) => readAll(client).catch((error) => ConnectError.from(error)));
      if (outcome instanceof ConnectError) {
        noticed++;
        expect(outcome.code, `${kind}: ${outcome}`).toBe(Code.DataLoss);
      } else {
        expect(outcome, `row of kind ${kind}`).toEqual(intact);
        // Reads do not need the rows of remembered transactions, or the notes of changes for other instances.
        expect(["t", "g", "c"]).toContain(kind);
      }
    }
    expect(noticed).toBeGreaterThan(10);
  });

  it("one of them lost: no append overwrites the other rows", async () => {
    const { rows } = await filled();
    const blocks = (all: readonly Row[]) =>
      new Map(
        all
          .filter((row) => "bo".includes(String.fromCharCode(row.key[0])))
          .map((row) => [Buffer.from(row.key).toString("hex"), Buffer.from(row.value).toString("hex")]),
      );
    for (const index of rows.keys()) {
      const storage = await copyWith(rows, threshold, index, () => undefined);
      const before = blocks(await rowsOf(storage));
      await withServer(storage, (client) =>
        Promise.allSettled(
          SEGMENTS.map((segment) =>
            client.append({ storeId, space, appends: [{ segment, records: [{ payload: Buffer.from("new") }] }] }),
          ),
        ),
      );
      const after = blocks(await rowsOf(storage));
      for (const [key, value] of before) expect(after.get(key), `row ${index}, key ${key}`).toBe(value);
    }
  });
});
