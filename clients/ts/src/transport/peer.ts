import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AppendResponse,
  ConsumeRequestSchema,
  ConsumeSegmentRequestSchema,
  ConsumeSpaceRequestSchema,
  PeekRequestSchema,
  ProduceResponse,
  ReadSegmentRequestSchema,
  ReadSpaceRequestSchema,
} from "@streamkit/protocol";
import { connectionLost } from "../errors/error.ts";
import type { SpaceOffsets } from "../position.ts";

/** An encoded transaction. The client may send it any number of times. */
export interface EncodedTransaction {
  readonly storeId: string;
  readonly space: string;
  readonly transactionId: string;
  /** Encoded `streamkit.v1.SegmentAppend` messages. */
  readonly appends: readonly Uint8Array[];
}

/** One response of a consume stream, with its batches still encoded. */
export interface EncodedPage<P> {
  /** Encoded `streamkit.v1.EntryBatch` messages. */
  readonly batches: readonly Uint8Array[];
  /** The position after this response: one position, or one per space. */
  readonly next: P;
  /** True if no newer entry was committed when the server made the response. */
  readonly caughtUp: boolean;
}

/**
 * The RPCs that carry entries. Entries are encoded bytes with every transport.
 *
 * Each function makes one attempt and throws StreamkitError; callers retry and resume. To end a stream, use its signal,
 * or `return()` while no call of `next()` waits.
 *
 * The server may hold the answer of a page back for `waitMillis`. `silenceMillis` of a stream is the longest wait for a
 * response after the first; default: the timeout of the client.
 */
export interface Peer {
  append(transaction: EncodedTransaction, signal: AbortSignal | undefined): Promise<AppendResponse>;
  produce(transactions: AsyncIterable<EncodedTransaction>, signal: AbortSignal): AsyncIterable<ProduceResponse>;
  peek(
    request: MessageInitShape<typeof PeekRequestSchema>,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined>;
  readSegment(
    request: MessageInitShape<typeof ReadSegmentRequestSchema>,
    signal: AbortSignal | undefined,
    waitMillis?: number,
  ): Promise<EncodedPage<number>>;
  readSpace(
    request: MessageInitShape<typeof ReadSpaceRequestSchema>,
    signal: AbortSignal | undefined,
    waitMillis?: number,
  ): Promise<EncodedPage<number>>;
  consumeSegment(
    request: MessageInitShape<typeof ConsumeSegmentRequestSchema>,
    signal: AbortSignal,
    silenceMillis?: number,
  ): AsyncIterable<EncodedPage<number>>;
  consumeSpace(
    request: MessageInitShape<typeof ConsumeSpaceRequestSchema>,
    signal: AbortSignal,
    silenceMillis?: number,
  ): AsyncIterable<EncodedPage<number>>;
  consume(
    request: MessageInitShape<typeof ConsumeRequestSchema>,
    signal: AbortSignal,
    silenceMillis?: number,
  ): AsyncIterable<EncodedPage<SpaceOffsets>>;
}

/**
 * Checks that the answer of an append names its transaction. An answer that was cut off to no bytes is a valid message
 * without a transaction, and is no success.
 *
 * @throws StreamkitError CONNECTION_LOST
 */
export function complete(response: AppendResponse): AppendResponse {
  if (response.transaction === undefined) throw connectionLost("the answer to an append was empty: it was cut off");
  return response;
}
