import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type RetryPolicy, withRetry } from "./retry/retry.ts";
import { type CallSettings, callUnary } from "./transport/call.ts";
import type { Peer } from "./transport/peer.ts";
import type { Streams } from "./transport/streams.ts";

/** The parts that all handles of one client share. */
export interface ClientContext extends CallSettings, RetryPolicy {
  readonly streams: Streams;
  readonly peer: Peer;
  /** True if Produce can send and receive at the same time. May connect to the server to find out. */
  readonly duplex: () => boolean | Promise<boolean>;
  /** Token of the lease that covers all writes through these handles; see `withLease`. */
  readonly fencingToken?: bigint;
}

/** A unary call with retries. Use it only for RPCs that may run twice without harm. */
export function call<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal | undefined,
): Promise<MessageShape<O>> {
  return withRetry(context, signal, () => callUnary(context, method, request, signal));
}

/** One attempt of a unary call, for callers with retries of their own. */
export function callOnce<I extends DescMessage, O extends DescMessage>(
  context: ClientContext,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal,
): Promise<MessageShape<O>> {
  return callUnary(context, method, request, signal);
}
