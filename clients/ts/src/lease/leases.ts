import { LeaseService, type Lease as WireLease } from "@streamkit/protocol";
import { type ClientContext, call } from "../context.ts";
import { StreamkitError } from "../errors/error.ts";
import { type Listing, type ListOptions, listing } from "../listing.ts";
import { CALL_OPTIONS, checkArgument, checkOptions, LIST_OPTIONS, signal, text, token, ttl } from "../options.ts";
import { type Position, toWirePosition } from "../position.ts";
import { withRetry } from "../retry/retry.ts";
import { timestampDate, toDuration } from "../time.ts";
import { callUnary } from "../transport/call.ts";

/** One live lease. */
export interface Lease {
  /** What is leased. */
  readonly key: string;
  /** Who holds it. */
  readonly holder: string;
  /** Larger with each acquisition of the key, for ever. Pass it to appends as `fencingToken`. */
  readonly fencingToken: bigint;
  /** When it ends unless renewed, on the server's clock: for people to read. */
  readonly expireTime: Date;
}

/** Which lease, and as whom. */
export interface LeaseClaim {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: Position;
}

/** What an acquisition or renewal may say. */
export interface LeaseOptions {
  /** How long the lease is to last, in milliseconds: 1,000 to 86,400,000. Default 30,000; for a renewal, as before. */
  readonly ttl?: number;
  readonly signal?: AbortSignal;
}

const LEASE_OPTIONS = { ttl, signal };

/**
 * The leases of a store, one call each: for those who keep time themselves. `StoreHandle.withLease` does that for you.
 */
export class Leases {
  readonly #context: ClientContext;
  readonly #storeId: string;

  /** @internal Made by `StoreHandle`. */
  constructor(context: ClientContext, storeId: string) {
    this.#context = context;
    this.#storeId = storeId;
  }

  /**
   * Takes a lease that is free or has expired; renews it for its holder. Throws `LEASE_HELD`, with when to come back,
   * when another holder has it.
   */
  async acquire(key: string, holder: string, options: LeaseOptions = {}): Promise<Lease> {
    checkArgument("leases.acquire", "key", key, text);
    checkArgument("leases.acquire", "holder", holder, text);
    checkOptions("leases.acquire", options, LEASE_OPTIONS);
    const request = { storeId: this.#storeId, key, holder, ttl: toDuration("ttl", options.ttl) };
    const { acquireLease } = LeaseService.method;
    const attempt = () => callUnary(this.#context, acquireLease, request, options.signal);
    // A held lease is an answer; a caller that wants to wait says so.
    const final = (error: StreamkitError) => error.reason === "LEASE_HELD";
    return toLease((await withRetry(this.#context, options.signal, attempt, final)).lease);
  }

  /** Extends a lease. Throws `LEASE_LOST` when it is not the claimant's any more. */
  async renew(claim: LeaseClaim, options: LeaseOptions = {}): Promise<Lease> {
    checkClaim("leases.renew", claim);
    checkOptions("leases.renew", options, LEASE_OPTIONS);
    const request = { ...this.#toRequest(claim), ttl: toDuration("ttl", options.ttl) };
    return toLease((await call(this.#context, LeaseService.method.renewLease, request, options.signal)).lease);
  }

  /** Gives a lease back. Does nothing when it is not the claimant's any more. */
  async release(claim: LeaseClaim, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkClaim("leases.release", claim);
    checkOptions("leases.release", options, CALL_OPTIONS);
    await call(this.#context, LeaseService.method.releaseLease, this.#toRequest(claim), options.signal);
  }

  /** Who holds a key; `undefined` when nobody does. */
  async get(key: string, options: { signal?: AbortSignal } = {}): Promise<Lease | undefined> {
    checkArgument("leases.get", "key", key, text);
    checkOptions("leases.get", options, CALL_OPTIONS);
    try {
      const request = { storeId: this.#storeId, key };
      return toLease((await call(this.#context, LeaseService.method.getLease, request, options.signal)).lease);
    } catch (error) {
      if (error instanceof StreamkitError && error.reason === "NOT_FOUND") return undefined;
      throw error;
    }
  }

  /** Live leases, by key in byte order. */
  list(options: ListOptions = {}): Listing<Lease> {
    checkOptions("leases.list", options, LIST_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { storeId: this.#storeId, prefix: options.prefix ?? "", pageSize, pageToken };
      const response = await call(this.#context, LeaseService.method.listLeases, request, options.signal);
      return { items: response.leases.map(toLease), nextPageToken: response.nextPageToken };
    });
  }

  #toRequest({ key, holder, fencingToken }: LeaseClaim) {
    return { storeId: this.#storeId, key, holder, fencingToken: toWirePosition("fencingToken", fencingToken) };
  }
}

/** Other fields are left alone: a claim may be kept with what belongs to it. */
function checkClaim(call: string, claim: LeaseClaim): void {
  checkArgument(call, "claim.key", claim?.key, text);
  checkArgument(call, "claim.holder", claim?.holder, text);
  checkArgument(call, "claim.fencingToken", claim?.fencingToken, token);
}

function toLease(lease: WireLease | undefined): Lease {
  return {
    key: lease?.key ?? "",
    holder: lease?.holder ?? "",
    fencingToken: lease?.fencingToken ?? 0n,
    expireTime: lease?.expireTime === undefined ? new Date(0) : timestampDate(lease.expireTime),
  };
}
