import { expect, it } from "vitest";
import { frame, unframe } from "./framing.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

it.each([1, 3, 4, 1_000])("messages come back from chunks of %i bytes", async (size) => {
  const messages = ["", "a", "x".repeat(300)].map((text) => Buffer.from(text));
  const bytes = Buffer.concat(messages.map(frame));
  const found: string[] = [];
  for await (const message of unframe(pieces(bytes, size))) found.push(Buffer.from(message).toString());
  expect(found).toEqual(messages.map(String));
});

it("a stream that ends inside a message is an error", async () => {
  const cut = frame(Buffer.from("hello")).subarray(0, 7);
  await expect(unframe(pieces(cut, 7)).next()).rejects.toThrow("inside a message");
});
