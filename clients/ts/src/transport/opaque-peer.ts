import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type OpaqueAppendRequestSchema,
  type OpaqueConsumeResponse,
  type OpaqueMergedConsumeResponse,
  opaqueMethod,
} from "@streamkit/protocol/wire";
import type { SpaceOffsets } from "../position.ts";
import { type CallSettings, callStream, callUnary, ENDLESS, heldBack, only, patience } from "./call.ts";
import { complete, type EncodedPage, type EncodedTransaction, type Peer } from "./peer.ts";

/** The RPCs of binary transports. They pass entries through as bytes, which is the fast way. */
export function opaquePeer(settings: CallSettings): Peer {
  return {
    async append(transaction, signal) {
      return complete(await callUnary(settings, opaqueMethod.append, toRequest(transaction), signal));
    },
    produce: (transactions, signal) =>
      callStream(settings, opaqueMethod.produce, toRequests(transactions), signal, (response) => response, ENDLESS),
    async peek(request, signal) {
      return (await callUnary(settings, opaqueMethod.peek, request, signal)).entry;
    },
    async readSegment(request, signal, wait) {
      return toPage(await callUnary(heldBack(settings, wait), opaqueMethod.readSegment, request, signal));
    },
    async readSpace(request, signal, wait) {
      return toPage(await callUnary(heldBack(settings, wait), opaqueMethod.readSpace, request, signal));
    },
    consumeSegment: (request, signal, silence) =>
      callStream(settings, opaqueMethod.consumeSegment, only(request), signal, toPage, patience(settings, silence)),
    consumeSpace: (request, signal, silence) =>
      callStream(settings, opaqueMethod.consumeSpace, only(request), signal, toPage, patience(settings, silence)),
    consume: (request, signal, silence) =>
      callStream(settings, opaqueMethod.consume, only(request), signal, toMergedPage, patience(settings, silence)),
  };
}

type AppendInit = MessageInitShape<typeof OpaqueAppendRequestSchema>;

function toRequest({ storeId, space, transactionId, appends }: EncodedTransaction): AppendInit {
  return { storeId, space, transactionId, appends: appends as Uint8Array[] };
}

async function* toRequests(transactions: AsyncIterable<EncodedTransaction>): AsyncGenerator<AppendInit> {
  for await (const transaction of transactions) yield toRequest(transaction);
}

function toMergedPage({ batches, nextOffsets, caughtUp }: OpaqueMergedConsumeResponse): EncodedPage<SpaceOffsets> {
  const next = new Map(Object.entries(nextOffsets).map(([space, offset]) => [space, Number(offset)]));
  return { batches, next, caughtUp };
}

function toPage({ batches, nextPosition, caughtUp }: OpaqueConsumeResponse): EncodedPage<number> {
  return { batches, next: Number(nextPosition), caughtUp };
}
