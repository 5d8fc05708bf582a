import { expect, test } from "vitest";
import { parkingId } from "./parking.ts";

test("an entry has an id of its own, and always the same one", () => {
  const ids = ["c", "c2", "\u00fc"].flatMap((consumer) =>
    ["s", "t"].flatMap((space) =>
      [1, 2, 17, Number.MAX_SAFE_INTEGER].map((offset) => parkingId(consumer, space, offset)),
    ),
  );
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(parkingId("c", "s", 17)).toBe(parkingId("c", "s", 17));
  expect(parkingId("ab", "c", 1)).not.toBe(parkingId("a", "bc", 1));
});
