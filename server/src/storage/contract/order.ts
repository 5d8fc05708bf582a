import assert from "node:assert/strict";
import { bytes, commit, hex, scanAll } from "./rows.ts";
import type { ContractTests } from "./suite.ts";

/** In their expected order. */
const keys = [
  [0x00],
  [0x00, 0x00],
  [0x00, 0x01],
  [0x01],
  [0x2f],
  [0x61],
  [0x61, 0x00],
  [0x61, 0x62],
  [0x7f],
  [0x7f, 0xff],
  [0x80],
  [0xc3, 0xa4],
  [0xf0, 0x9f],
  [0xff],
  [0xff, 0x00],
  [0xff, 0xff],
].map(bytes);

export function describeOrder({ describe, it }: ContractTests): void {
  describe("order", () => {
    it("returns rows in the order of their keys as unsigned bytes, prefixes first", async ({ store }) => {
      for (const key of [...keys].reverse()) {
        await commit(store, "p", { conditions: [], puts: [{ key, value: [key] }], deletes: [] });
      }
      const rows = await scanAll(store, "p", { lt: new Uint8Array(3).fill(0xff) });
      assert.deepEqual(
        rows.map((row) => hex(row.key)),
        keys.map(hex),
      );
      assert.deepEqual(
        rows.map((row) => hex(row.value)),
        keys.map(hex),
      );
    });

    it("distinguishes keys of 512 bytes by their last byte", async ({ store }) => {
      const long = (last: number) => new Uint8Array(512).fill(0xe4).with(511, last);
      const longKeys = [0x00, 0x01, 0x7f, 0x80, 0xff].map(long);
      const puts = [...longKeys].reverse().map((key) => ({ key, value: [key.subarray(511)] }));
      await commit(store, "p", { conditions: [], puts, deletes: [] });
      const rows = await scanAll(store, "p");
      assert.deepEqual(
        rows.map((row) => hex(row.key)),
        longKeys.map(hex),
      );
      for (const key of longKeys) {
        assert.equal(hex((await store.get("p", key))!.value), hex(key.subarray(511)));
      }
    });

    it("returns keys unchanged from get, getMany and scan", async ({ store }) => {
      const key = bytes([0x00, 0xff, 0x00]);
      await commit(store, "p", { conditions: [], puts: [{ key, value: [bytes("v")] }], deletes: [] });
      const rows = [await store.get("p", key), ...(await store.getMany("p", [key])), ...(await scanAll(store, "p"))];
      assert.deepEqual(
        rows.map((row) => hex(row!.key)),
        [hex(key), hex(key), hex(key)],
      );
    });
  });
}
