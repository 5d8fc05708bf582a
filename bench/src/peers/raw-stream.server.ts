/** A Connect server that sends prepared frames and stores nothing. Prints its address. */
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EntryBatchSchema } from "@streamkit/protocol";
import { OpaqueConsumeResponseSchema, opaqueMethod } from "@streamkit/protocol/wire";
import { payloads } from "../tools/payloads.ts";
import { FRAME_RECORDS } from "./frame-records.ts";

function encodedBatch(start: number, count: number): Uint8Array {
  return toBinary(
    EntryBatchSchema,
    create(EntryBatchSchema, {
      space: "bench",
      segment: "bench",
      firstSequence: BigInt(start + 1),
      firstOffset: BigInt(start + 1),
      commitTime: { seconds: 1_700_000_000n, nanos: 123_456_000 },
      transaction: { id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", number: BigInt(start / FRAME_RECORDS + 1) },
      records: Array.from(payloads(count, start), (payload) => ({ payload })),
    }),
  );
}

const prepared = new Map<number, Uint8Array[]>();

/** Frames for `records` entries. They are encoded once, so that later requests for them cost no encoding. */
function frames(records: number): Uint8Array[] {
  let known = prepared.get(records);
  if (known === undefined) {
    known = [];
    for (let at = 0; at < records; at += FRAME_RECORDS) {
      known.push(encodedBatch(at, Math.min(FRAME_RECORDS, records - at)));
    }
    prepared.set(records, known);
  }
  return known;
}

let lastSequence = 0n;

/** The answer of a real server for one record in one segment. */
function answer(transactionId: string) {
  const sequence = ++lastSequence;
  return {
    transaction: { id: transactionId, number: sequence },
    commitTime: { seconds: 1_700_000_000n, nanos: 123_456_000 },
    ranges: [{ segment: "bench", firstSequence: sequence, lastSequence: sequence, firstOffset: sequence }],
  };
}

const handler = connectNodeAdapter({
  routes(router) {
    router.rpc(opaqueMethod.append, ({ transactionId }) => answer(transactionId));
    router.rpc(opaqueMethod.produce, async function* (requests) {
      for await (const { transactionId } of requests) yield answer(transactionId);
    });
    router.rpc(opaqueMethod.consumeSegment, async function* ({ limit }) {
      for (const batch of frames(Number(limit))) yield create(OpaqueConsumeResponseSchema, { batches: [batch] });
    });
  },
});
const server = createServer(handler).listen(0, "127.0.0.1");
await once(server, "listening");
process.on("SIGTERM", () => process.exit());
console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
