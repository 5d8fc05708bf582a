import type { ClientContext } from "../context.ts";
import { canceled, StreamkitError } from "../errors/error.ts";
import { type ChecksOf, callback, millis, signal, text, ttl } from "../options.ts";
import { randomId } from "../random-id.ts";
import { delay } from "../retry/backoff.ts";
import { unlessAborted } from "../silence.ts";
import { HeldLease } from "./held-lease.ts";
import { type Lease, Leases } from "./leases.ts";
import { type Clocks, elapsedSince, momentOf, systemClocks } from "./moment.ts";

/** How a lease is held. */
export interface WithLeaseOptions {
  /** How long it lasts when nobody renews it, in milliseconds: 1,000 to 86,400,000. */
  readonly ttl: number;
  /** Who holds it. Default: a random name, so that every call is a holder of its own. */
  readonly holder?: string;
  /** How long to wait for another holder, in milliseconds. Default: for ever. 0: fail at once, with LEASE_HELD. */
  readonly wait?: number;
  /** Told while another holder has the lease. */
  readonly onHeld?: (error: StreamkitError) => void;
  /** Ends it: the function's signal fires, and the lease is given back. */
  readonly signal?: AbortSignal;
}

export const WITH_LEASE_OPTIONS = {
  ttl,
  holder: text,
  wait: millis(0, Number.POSITIVE_INFINITY),
  onHeld: callback,
  signal,
} satisfies ChecksOf<WithLeaseOptions>;

/** How often a waiting client looks, per ttl. What it adds to the time of a hand-over is a ttl divided by this. */
const LOOKS = 10;
/** Longest time that a waiting client waits for a lease to be given back, in milliseconds. */
const MAX_PATIENCE_MILLIS = 2_000;

/**
 * Takes a lease, runs a function under it, and gives it back.
 *
 * @param run gets the lease and a signal that fires when the lease is lost, or `options.signal` does
 * @throws LEASE_HELD when it was not free in time; LEASE_LOST when it was lost, whatever the function made of its
 *   signal; otherwise what the function throws
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
  // Rather a second attempt than an answer that comes so late that it has to be asked for again; see below.
  const timeoutMillis = Math.min(context.timeoutMillis, Math.ceil(ttl / 2));
  const leases = new Leases({ ...context, timeoutMillis }, storeId);
  const { lease, sent } = await acquire(leases, key, options, clocks);
  const held = new HeldLease(context, storeId, lease, ttl, sent, clocks);
  try {
    const result = await run(held, signal === undefined ? held.signal : AbortSignal.any([signal, held.signal]));
    held.check();
    return result;
  } catch (error) {
    // Whatever went wrong then, this is why.
    throw held.signal.aborted ? held.signal.reason : error;
  } finally {
    await held.stop();
    // When it is lost, too: a renewal may have arrived whose answer did not, and nobody would have it for another ttl.
    // But then somebody waits to be told.
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
      // Answered so late that little is left of it: once more, which renews it.
      late = lease;
    } catch (error) {
      if (!(error instanceof StreamkitError) || error.reason !== "LEASE_HELD") {
        // It may last for a while yet, and nobody would have it.
        if (late !== undefined) await giveBack(leases, late, hastyPatience(ttl));
        throw error;
      }
      late = undefined;
      const left = wait - elapsedSince(begin, clocks);
      if (left <= 0) throw error;
      onHeld?.(error);
      // Not as late as the server says: who watches the lease sees its last renewal, and knows when it ends.
      const pause = (ttl / LOOKS) * (0.75 + Math.random() / 2);
      await delay(Math.min(left, pause, error.retryAfterMillis ?? pause), signal);
    }
  }
}

/**
 * Asks for the lease. When the signal fires first, a lease that was given all the same goes back: nobody would have it
 * for a ttl.
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

/** Best effort: what cannot be given back expires. */
async function giveBack(leases: Leases, lease: Lease, patience: number): Promise<void> {
  const givingUp = new AbortController();
  const timer = setTimeout(() => givingUp.abort(), patience);
  await leases.release(lease, { signal: givingUp.signal }).catch(() => {});
  clearTimeout(timer);
}

function hastyPatience(ttl: number): number {
  return Math.min(ttl / LOOKS, MAX_PATIENCE_MILLIS);
}
