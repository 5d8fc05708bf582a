import { createStreamkit, memoryStorage } from "@streamkit/server";
import { expect, test } from "vitest";
import { byApiKey } from "./api-keys.ts";

test("a caller with an API key reads its store, and no other caller does", async () => {
  await using streamkit = createStreamkit({
    storage: memoryStorage(),
    authenticate: byApiKey,
    onEvent: () => undefined,
  });
  const status = async (storeId: string, key?: string) => {
    const url = "http://127.0.0.1/streamkit.v1.StreamService/ListSpaces";
    const headers = { "content-type": "application/json", ...(key !== undefined && { "x-api-key": key }) };
    const request = new Request(url, { method: "POST", headers, body: JSON.stringify({ storeId }) });
    return (await streamkit.fetch(request)).status;
  };
  const [own, foreign] = ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "11111111-2222-4333-8444-555555555555"];
  expect(await status(own, "k-7f3a")).not.toBe(401);
  expect(await status(own, "k-7f3a")).not.toBe(403);
  expect(await status(foreign, "k-7f3a")).toBe(403);
  expect(await status(own, "k-0000")).toBe(401);
  expect(await status(own)).toBe(401);
});
