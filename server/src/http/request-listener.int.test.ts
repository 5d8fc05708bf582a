import { expect, it } from "vitest";
import { createStreamkit, memoryStorage, type StreamkitEvent } from "../index.ts";

it.each<[string, () => void]>([
  [
    "throws",
    () => {
      throw new Error("broken page");
    },
  ],
  ["rejects", () => Promise.reject(new Error("broken page"))],
])(
  "an application that %s for a request ends this request only, and the operator learns of it",
  async (_, fallback) => {
    const events: StreamkitEvent[] = [];
    await using streamkit = createStreamkit({ storage: memoryStorage(), onEvent: (event) => events.push(event) });
    const { url } = await streamkit.listen({ port: 0, fallback });
    await expect(fetch(`${url}/page`)).rejects.toThrow("fetch failed");
    expect(events).toMatchObject([{ level: "error", kind: "internal-error", cause: { message: "broken page" } }]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  },
);
