import type { MessageInitShape } from "@bufbuild/protobuf";
import { type OpaqueAppendRequestSchema, type OpaqueConsumeResponse, opaqueMethod } from "@streamkit/protocol/wire";
import { type CallSettings, callStream, callUnary, only } from "./call.ts";
import type { EncodedPage, EncodedTransaction, Peer } from "./peer.ts";

/** The fast way, for transports that are known to be binary: entries pass through as bytes. */
export function opaquePeer(settings: CallSettings): Peer {
  return {
    append: (transaction, signal) => callUnary(settings, opaqueMethod.append, toRequest(transaction), signal),
    produce: (transactions, signal) =>
      callStream(settings, opaqueMethod.produce, toRequests(transactions), signal, (response) => response),
    async peek(request, signal) {
      return (await callUnary(settings, opaqueMethod.peek, request, signal)).entry;
    },
    consumeSegment: (request, signal) =>
      callStream(settings, opaqueMethod.consumeSegment, only(request), signal, toPage),
    consumeSpace: (request, signal) => callStream(settings, opaqueMethod.consumeSpace, only(request), signal, toPage),
    consume: (request, signal) =>
      callStream(settings, opaqueMethod.consume, only(request), signal, ({ batches, nextOffsets, caughtUp }) => ({
        batches,
        next: new Map(Object.entries(nextOffsets).map(([space, offset]) => [space, Number(offset)])),
        caughtUp,
      })),
  };
}

type AppendInit = MessageInitShape<typeof OpaqueAppendRequestSchema>;

function toRequest({ storeId, space, transactionId, appends }: EncodedTransaction): AppendInit {
  return { storeId, space, transactionId, appends: appends as Uint8Array[] };
}

async function* toRequests(transactions: AsyncIterable<EncodedTransaction>): AsyncGenerator<AppendInit> {
  for await (const transaction of transactions) yield toRequest(transaction);
}

function toPage({ batches, nextPosition, caughtUp }: OpaqueConsumeResponse): EncodedPage<number> {
  return { batches, next: Number(nextPosition), caughtUp };
}
