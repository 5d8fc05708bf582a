/**
 * Produce sessions with many requests under way. The server reads them more slowly, refuses none of them for it, and
 * releases all their memory.
 */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { StreamService } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { createStreamkit, memoryStorage } from "../../src/index.ts";
import { slowStorage } from "../slow-storage.ts";

const MIB = 1024 * 1024;

it("twenty sessions on one connection exceed its limit, and everything is appended", async () => {
  const storage = slowStorage(memoryStorage(), { turns: () => 20, failure: () => new Error("none") });
  await using streamkit = createStreamkit({ storage, limits: { requestBytesPerConnection: 8 * MIB } });
  const { url } = await streamkit.listen({ port: 0 });
  const client = createClient(StreamService, createGrpcTransport({ baseUrl: url }));
  const storeId = crypto.randomUUID();
  const records = [{ payload: new Uint8Array(200_000) }];
  const session = async (space: string) => {
    async function* requests() {
      for (let i = 0; i < 15; i++) yield { storeId, space, appends: [{ segment: "s", records }] };
    }
    let last = 0n;
    for await (const { ranges } of client.produce(requests())) last = ranges[0].lastSequence;
    return last;
  };
  // A partly received request may reach the limit. The server then refuses that session like any call, and it may
  // resume.
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => session(`space-${i}`)));
  const done = outcomes.filter((outcome) => outcome.status === "fulfilled");
  for (const { value } of done) expect(value).toBe(15n);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(ConnectError.from(outcome.reason).code).toBe(Code.ResourceExhausted);
  }
  expect(done.length).toBeGreaterThan(10);
  // All memory is free again: the server accepts a call as large as the limit.
  const appends = Array.from({ length: 5 }, (_, i) => ({ segment: `t${i}`, records }));
  for (let i = 0; i < 10; i++) await client.append({ storeId, space: "after", appends });
});
