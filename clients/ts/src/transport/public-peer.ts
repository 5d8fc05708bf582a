import { fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AppendRequestSchema,
  type EntryBatch,
  EntryBatchSchema,
  SegmentAppendSchema,
  StreamService,
} from "@streamkit/protocol";
import { type CallSettings, callStream, callUnary, ENDLESS, heldBack, only, patience } from "./call.ts";
import { complete, type EncodedTransaction, type Peer } from "./peer.ts";

const { method } = StreamService;

/** The RPCs through the public messages. They work with JSON, and with transports without a description. */
export function publicPeer(settings: CallSettings): Peer {
  return {
    async append(transaction, signal) {
      return complete(await callUnary(settings, method.append, toRequest(transaction), signal));
    },
    produce: (transactions, signal) =>
      callStream(settings, method.produce, toRequests(transactions), signal, (response) => response, ENDLESS),
    async peek(request, signal) {
      const { entry } = await callUnary(settings, method.peek, request, signal);
      return entry === undefined ? undefined : toBinary(EntryBatchSchema, entry);
    },
    async readSegment(request, signal, wait) {
      const page = await callUnary(heldBack(settings, wait), method.readSegment, request, signal);
      return { batches: encode(page.batches), next: Number(page.nextSequence), caughtUp: page.caughtUp };
    },
    async readSpace(request, signal, wait) {
      const page = await callUnary(heldBack(settings, wait), method.readSpace, request, signal);
      return { batches: encode(page.batches), next: Number(page.nextOffset), caughtUp: page.caughtUp };
    },
    consumeSegment: (request, signal, silence) =>
      callStream(
        settings,
        method.consumeSegment,
        only(request),
        signal,
        ({ batches, nextSequence, caughtUp }) => ({
          batches: encode(batches),
          next: Number(nextSequence),
          caughtUp,
        }),
        patience(settings, silence),
      ),
    consumeSpace: (request, signal, silence) =>
      callStream(
        settings,
        method.consumeSpace,
        only(request),
        signal,
        ({ batches, nextOffset, caughtUp }) => ({
          batches: encode(batches),
          next: Number(nextOffset),
          caughtUp,
        }),
        patience(settings, silence),
      ),
    consume: (request, signal, silence) =>
      callStream(
        settings,
        method.consume,
        only(request),
        signal,
        ({ batches, nextOffsets, caughtUp }) => ({
          batches: encode(batches),
          next: new Map(Object.entries(nextOffsets).map(([space, offset]) => [space, Number(offset)])),
          caughtUp,
        }),
        patience(settings, silence),
      ),
  };
}

type AppendInit = MessageInitShape<typeof AppendRequestSchema>;

function toRequest({ storeId, space, transactionId, appends }: EncodedTransaction) {
  return {
    storeId,
    space,
    transactionId,
    appends: appends.map((append) => fromBinary(SegmentAppendSchema, append)),
  } satisfies AppendInit;
}

async function* toRequests(transactions: AsyncIterable<EncodedTransaction>) {
  for await (const transaction of transactions) yield toRequest(transaction);
}

function encode(batches: readonly EntryBatch[]): Uint8Array[] {
  return batches.map((batch) => toBinary(EntryBatchSchema, batch));
}
