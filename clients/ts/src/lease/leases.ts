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
  /** The key of the lease. */
  readonly key: string;
  /** The holder of the lease. */
  readonly holder: string;
  /**
   * The token of the lease. It rises with each acquisition of the key, for ever. Pass it to appends as `fencingToken`.
   */
  readonly fencingToken: bigint;
  /** End of the lease unless it is renewed, on the server's clock. For people, not for programs. */
  readonly expireTime: Date;
}

/** A lease, as its holder knows it. A `Lease` is a claim. */
export interface LeaseClaim {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: Position;
}

/** Options of an acquisition or a renewal. */
export interface LeaseOptions {
  /** Time to live, in milliseconds: 1,000 to 86,400,000. Default 30,000; for a renewal, the ttl of the lease. */
  readonly ttl?: number;
  /** Ends the call with `CANCELED`. */
  readonly signal?: AbortSignal;
}

const LEASE_OPTIONS = { ttl, signal };

/**
 * Single calls on the leases of a store, for applications that keep time themselves. See also `StoreHandle.withLease`.
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
   * Takes a lease that is free or expired. Renews it if `holder` has it already.
   *
   * @throws StreamkitError LEASE_HELD, with `retryAfterMillis`, if another holder has the lease
   */
  async acquire(key: string, holder: string, options: LeaseOptions = {}): Promise<Lease> {
    checkArgument("leases.acquire", "key", key, text);
    checkArgument("leases.acquire", "holder", holder, text);
    checkOptions("leases.acquire", options, LEASE_OPTIONS);
    const request = { storeId: this.#storeId, key, holder, ttl: toDuration("ttl", options.ttl) };
    const { acquireLease } = LeaseService.method;
    const attempt = () => callUnary(this.#context, acquireLease, request, options.signal);
    // LEASE_HELD is an answer, not a failure to retry.
    const final = (error: StreamkitError) => error.reason === "LEASE_HELD";
    return toLease((await withRetry(this.#context, options.signal, attempt, final)).lease);
  }

  /**
   * Extends a lease.
   *
   * @throws StreamkitError LEASE_LOST if the lease has expired, or another holder has it
   */
  async renew(claim: LeaseClaim, options: LeaseOptions = {}): Promise<Lease> {
    checkClaim("leases.renew", claim);
    checkOptions("leases.renew", options, LEASE_OPTIONS);
    const request = { ...this.#toRequest(claim), ttl: toDuration("ttl", options.ttl) };
    return toLease((await call(this.#context, LeaseService.method.renewLease, request, options.signal)).lease);
  }

  /** Gives a lease back. Does nothing if the lease has expired, or another holder has it. */
  async release(claim: LeaseClaim, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkClaim("leases.release", claim);
    checkOptions("leases.release", options, CALL_OPTIONS);
    await call(this.#context, LeaseService.method.releaseLease, this.#toRequest(claim), options.signal);
  }

  /** Reads the lease of a key; `undefined` if no holder has it. */
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

  /** Lists the live leases, by key in byte order. */
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

/** Checks the fields of a claim. It may have others, for example those of a `Lease`. */
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
