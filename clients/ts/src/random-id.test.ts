import { afterEach, expect, test, vi } from "vitest";
import { ModelService } from "../test/model-service.ts";
import { createStreamkitClient } from "./index.ts";
import { randomId } from "./random-id.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

afterEach(() => {
  vi.unstubAllGlobals();
});

test("ids are random UUIDs of version 4", () => {
  const ids = Array.from({ length: 1_000 }, randomId);
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("everything works without what only secure contexts have", async () => {
  // The crypto object of a page that was loaded over plain HTTP.
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
  // A literal, because the model makes ids of its own with node:crypto.
  const model = new ModelService();
  const space = createStreamkitClient({ transport: model.transport() }).store(STORE).space("s");
  await space.segment("a").publish(Uint8Array.of(1));
  await space.append([{ segment: "a", records: [Uint8Array.of(2)] }]);
  await space.segment("a").produce([Uint8Array.of(3)]);
  await using session = space.session();
  await session.append([{ segment: "a", records: [Uint8Array.of(4)] }]);
  expect(model.entries.map(({ payload }) => payload[0])).toEqual([1, 2, 3, 4]);
});
