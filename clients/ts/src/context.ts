import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type RetryPolicy, withRetry } from "./retry/retry.ts";
import { type CallSettings, callUnary } from "./transport/call.ts";
import type { Peer } from "./transport/peer.ts";
import type { Streams } from "./transport/streams.ts";

/** What all handles of one client share. */
export interface ClientContext extends CallSettings, RetryPolicy {
  readonly streams: Streams;
  readonly peer: Peer;
  /** True when Produce can send and receive at once. */
  readonly duplex: () => boolean | Promise<boolean>;
  /** Of the lease under which everything is written; see `withLease`. */
  readonly fencingToken?: bigint;
}

/** A unary call with retries. Every unary RPC that goes through here may be repeated without harm. */
export function call<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal | undefined,
): Promise<MessageShape<O>> {
  return withRetry(context, signal, () => callUnary(context, method, request, signal));
}

/** One attempt of a unary call, for those who retry themselves. */
export function callOnce<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal,
): Promise<MessageShape<O>> {
  return callUnary(context, method, request, signal);
}
