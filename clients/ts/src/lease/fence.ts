import type { ProduceResponse } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { unlessAborted } from "../silence.ts";
import type { EncodedTransaction, Peer } from "../transport/peer.ts";

/** What the holder of a lease writes under. */
export interface Fence {
  /** Carried by every append. */
  readonly token: bigint;
  /**
   * Throws LEASE_LOST when the lease cannot be proven held any more.
   *
   * @returns a signal that fires, with LEASE_LOST as the reason, as soon as that is so
   */
  check(): AbortSignal;
}

/**
 * The same client, writing under a lease: every transaction carries the token, and none leaves once the lease is lost.
 * One that waits, for a connection say, is taken back then: it would leave whenever the wait is over.
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
 * A signal that fires when either does. Unlike that of AbortSignal.any, nothing of it stays with those that outlive it.
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
