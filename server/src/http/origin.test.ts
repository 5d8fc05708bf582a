import { expect, it } from "vitest";
import { createStreamkit, memoryStorage } from "../index.ts";

it.each([
  [
    "example.com",
    'cors holds "example.com"; expected an origin such as https://app.example.com: scheme, host and port only',
  ],
  ["https://example.com/", "; did you mean https://example.com?"],
  ["https://example.com/app?x", "; did you mean https://example.com?"],
  ["*", 'cors holds "*"; to allow all origins, give "*" itself instead of a list'],
])("createStreamkit refuses %s among the origins", (origin, message) => {
  expect(() => createStreamkit({ storage: memoryStorage(), cors: ["https://fine.example", origin] })).toThrow(message);
});

it.each([["*" as const], [["https://example.com", "http://127.0.0.1:5173"]], [[]]])(
  "createStreamkit takes %j",
  async (cors) => {
    await using _ = createStreamkit({ storage: memoryStorage(), cors });
  },
);
