import type { ProduceResponse } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { unlessAborted } from "../silence.ts";
import type { EncodedTransaction, Peer } from "../transport/peer.ts";

/** The fence around the writes of a lease holder. */
export interface Fence {
  /** The token that every append carries. */
  readonly token: bigint;
  /**
   * Checks that the client can still prove that it holds the lease.
   *
   * @returns the signal that fires, with LEASE_LOST as the reason, when the lease is lost
   * @throws StreamkitError LEASE_LOST
   */
  check(): AbortSignal;
}

/**
 * The same client, writing under a lease: every transaction carries the token, and the client sends none after the loss
 * of the lease. The loss also cancels transactions that wait, for example for a connection.
 */
export function fenced(context: ClientContext, fence: Fence): ClientContext {
  const { peer } = context;
  const guarded: Peer = {
    ...peer,
    async append(transaction, signal) {
      const lost = fence.check();
      const ending = eitherOf(lost, signal);
      try {
        return await unlessAborted(peer.append(transaction, ending.signal), lost);
      } finally {
        ending.leave();
      }
    },
    async *produce(transactions, signal): AsyncGenerator<ProduceResponse, void, undefined> {
      const lost = fence.check();
      const ending = eitherOf(lost, signal);
      try {
        const responses = peer.produce(checked(transactions, fence), ending.signal)[Symbol.asyncIterator]();
        for (;;) {
          const result = await unlessAborted(responses.next(), lost);
          if (result.done) return;
          yield result.value;
        }
      } finally {
        ending.leave();
      }
    },
  };
  return { ...context, peer: guarded, fencingToken: fence.token };
}

async function* checked(
  transactions: AsyncIterable<EncodedTransaction>,
  fence: Fence,
): AsyncGenerator<EncodedTransaction> {
  for await (const transaction of transactions) {
    fence.check();
    yield transaction;
  }
}

/**
 * A signal that fires when either signal fires. Unlike a signal of AbortSignal.any, it leaves nothing behind on signals
 * that outlive it.
 */
function eitherOf(lost: AbortSignal, signal: AbortSignal | undefined): { signal: AbortSignal; leave: () => void } {
  const controller = new AbortController();
  const sources = signal === undefined ? [lost] : [lost, signal];
  const leave = () => {
    for (const source of sources) source.removeEventListener("abort", onAbort);
  };
  const onAbort = (): void => {
    leave();
    controller.abort(sources.find(({ aborted }) => aborted)?.reason);
  };
  for (const source of sources) source.addEventListener("abort", onAbort);
  if (sources.some(({ aborted }) => aborted)) onAbort();
  return { signal: controller.signal, leave };
}
