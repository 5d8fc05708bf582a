import type { ClientContext } from "../context.ts";
import { canceled, StreamkitError } from "../errors/error.ts";
import { type ChecksOf, callback, millis, signal, text, ttl } from "../options.ts";
import { randomId } from "../random-id.ts";
import { delay } from "../retry/backoff.ts";
import { unlessAborted } from "../silence.ts";
import { HeldLease } from "./held-lease.ts";
import { type Lease, Leases } from "./leases.ts";
import { type Clocks, elapsedSince, momentOf, systemClocks } from "./moment.ts";

/** Options of `withLease`. */
export interface WithLeaseOptions {
  /** Time to live without renewals, in milliseconds: 1,000 to 86,400,000. */
  readonly ttl: number;
  /** Name of the holder. Default: a random name, so that every call is a holder of its own. */
  readonly holder?: string;
  /** Longest wait for another holder, in milliseconds; then the call fails with LEASE_HELD. Default: no limit. */
  readonly wait?: number;
  /** Called at each attempt that finds another holder, with its LEASE_HELD. */
  readonly onHeld?: (error: StreamkitError) => void;
  /** Ends the call: the function's signal fires, and the client gives the lease back. */
  readonly signal?: AbortSignal;
}

export const WITH_LEASE_OPTIONS = {
  ttl,
  holder: text,
  wait: millis(0, Number.POSITIVE_INFINITY),
  onHeld: callback,
  signal,
} satisfies ChecksOf<WithLeaseOptions>;

/** Attempts of a waiting client per ttl. A hand-over takes at most one pause between attempts longer. */
const LOOKS = 10;
/** Longest wait for the return of a lease while a caller waits for an error, in milliseconds. */
const MAX_PATIENCE_MILLIS = 2_000;

/**
 * Takes a lease, runs a function under it, and gives it back.
 *
 * @param run gets the lease, and a signal that fires when the lease is lost or `options.signal` fires
 * @throws LEASE_HELD if another holder had the lease during the whole wait; LEASE_LOST if the lease was lost, whether
 *   or not the function failed; otherwise the error of the function
 */
export async function withLease<T>(
  context: ClientContext,
  storeId: string,
  key: string,
  options: WithLeaseOptions,
  run: (lease: HeldLease, signal: AbortSignal) => Promise<T>,
  clocks: Clocks = systemClocks,
): Promise<T> {
  const { ttl, signal } = options;
  // A lease whose answer takes half of its ttl has to be renewed at once (see `acquire`), so a second attempt is
  // better.
  const timeoutMillis = Math.min(context.timeoutMillis, Math.ceil(ttl / 2));
  const leases = new Leases({ ...context, timeoutMillis }, storeId);
  const { lease, sent } = await acquire(leases, key, options, clocks);
  const held = new HeldLease(context, storeId, lease, ttl, sent, clocks);
  try {
    const result = await run(held, signal === undefined ? held.signal : AbortSignal.any([signal, held.signal]));
    held.check();
    return result;
  } catch (error) {
    // The loss of the lease explains any other error.
    throw held.signal.aborted ? held.signal.reason : error;
  } finally {
    await held.stop();
    // Gives back a lost lease as well: the server may have got a renewal whose answer is lost, and then no holder could
    // get the lease for another ttl. The patience is short in that case, because a caller waits for LEASE_LOST.
    const patience = held.signal.aborted ? hastyPatience(ttl) : ttl / 2;
    await giveBack(leases, lease, patience);
  }
}

async function acquire(leases: Leases, key: string, options: WithLeaseOptions, clocks: Clocks) {
  const { ttl, wait = Number.POSITIVE_INFINITY, holder = randomId(), onHeld, signal } = options;
  const begin = momentOf(clocks);
  let late: Lease | undefined;
  for (;;) {
    const sent = momentOf(clocks);
    try {
      if (signal?.aborted) throw canceled(signal);
      const lease = await attempt(leases, key, holder, ttl, signal);
      if (elapsedSince(sent, clocks) <= ttl / 2) return { lease, sent };
      // The answer came so late that little of the ttl is left. Another attempt renews the lease.
      late = lease;
    } catch (error) {
      if (!(error instanceof StreamkitError) || error.reason !== "LEASE_HELD") {
        // The server may still count the lease as held.
        if (late !== undefined) await giveBack(leases, late, hastyPatience(ttl));
        throw error;
      }
      late = undefined;
      const left = wait - elapsedSince(begin, clocks);
      if (left <= 0) throw error;
      onHeld?.(error);
      // Earlier than the server suggests: attempts let its instances observe the lease, and notice its end sooner.
      const pause = (ttl / LOOKS) * (0.75 + Math.random() / 2);
      await delay(Math.min(left, pause, error.retryAfterMillis ?? pause), signal);
    }
  }
}

/**
 * Asks for the lease. If the signal fires first and the server grants the lease all the same, gives it back, because
 * otherwise no holder could get it for a ttl.
 */
async function attempt(leases: Leases, key: string, holder: string, ttl: number, signal: AbortSignal | undefined) {
  const givingUp = new AbortController();
  const acquiring = leases.acquire(key, holder, { ttl, signal: givingUp.signal });
  if (signal === undefined) return acquiring;
  try {
    return await unlessAborted(acquiring, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    const patience = setTimeout(() => givingUp.abort(), hastyPatience(ttl));
    await acquiring.then((lease) => leases.release(lease, { signal: givingUp.signal })).catch(() => {});
    clearTimeout(patience);
    throw canceled(signal);
  }
}

/** Gives a lease back, if the server answers in time. Otherwise the lease expires. */
async function giveBack(leases: Leases, lease: Lease, patience: number): Promise<void> {
  const givingUp = new AbortController();
  const timer = setTimeout(() => givingUp.abort(), patience);
  await leases.release(lease, { signal: givingUp.signal }).catch(() => {});
  clearTimeout(timer);
}

function hastyPatience(ttl: number): number {
  return Math.min(ttl / LOOKS, MAX_PATIENCE_MILLIS);
}
