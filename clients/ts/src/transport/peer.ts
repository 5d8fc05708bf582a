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

/** One transaction, ready to be sent, any number of times. */
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
  /** Where to go on: one position, or one per space. */
  readonly next: P;
  /** True when nothing newer was committed at the moment the response was made. */
  readonly caughtUp: boolean;
}

/**
 * The RPCs that carry entries, with entries as encoded bytes whatever the transport does.
 *
 * One attempt each: they throw StreamkitError; their callers retry and resume. A stream is ended by its signal, or by
 * `return()` when nobody waits for its next response.
 *
 * `waitMillis` of a page is how long the server may hold the answer back. `silenceMillis` of a read is the longest wait
 * for a response after the first; absent: the timeout of the client.
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
 * The answer of an append, which names its transaction. One that names none was cut off on its way: an answer without
 * bytes is a valid message, and must not pass for success.
 */
export function complete(response: AppendResponse): AppendResponse {
  if (response.transaction === undefined) throw connectionLost("the answer to an append was empty: it was cut off");
  return response;
}
