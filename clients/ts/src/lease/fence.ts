import type { ClientContext } from "../context.ts";
import type { EncodedTransaction, Peer } from "../transport/peer.ts";

/** What the holder of a lease writes under. */
export interface Fence {
  /** Carried by every append. */
  readonly token: bigint;
  /** Throws LEASE_LOST when the lease cannot be proven held any more. */
  check(): void;
}

/** The same client, writing under a lease: every transaction carries the token, and none leaves once the lease is lost. */
export function fenced(context: ClientContext, fence: Fence): ClientContext {
  const { peer } = context;
  const guarded: Peer = {
    ...peer,
    append(transaction, signal) {
      fence.check();
      return peer.append(transaction, signal);
    },
    produce: (transactions, signal) => peer.produce(checked(transactions, fence), signal),
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
