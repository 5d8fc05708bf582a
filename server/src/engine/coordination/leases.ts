import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrorReason } from "@streamkit/protocol";
import { LeaseRecordSchema } from "@streamkit/protocol/storage";
import { ServerError } from "../../errors.ts";
import type { PartitionStore, Row } from "../../storage/port.ts";
import type { Clock } from "../clock.ts";
import type { Listed } from "../names.ts";
import { random64 } from "../random64.ts";
import { decodeWith, frameRow } from "../rows/row-frame.ts";
import { rowsAtOnce } from "../rows/rows-at-once.ts";
import { Expiry } from "./expiry.ts";
import { LEASES, leaseKeys } from "./key-space.ts";
import { type Decide, type Decision, Records } from "./records.ts";
import { TokenCeiling } from "./token-ceiling.ts";

/** A live lease. */
export interface Lease {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: bigint;
  /** Microseconds since 1970. */
  readonly expireTimeMicros: number;
}

/** A claim to hold a lease. */
export interface LeaseClaim {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: bigint;
  /** Principal that the claim is bound to; "" for none. */
  readonly owner: string;
}

export interface CoordinationOptions {
  readonly store: PartitionStore;
  /** True if other processes may write the store. */
  readonly shared: boolean;
  readonly clock: Clock;
}

/** The row of a key that was leased at least once. */
interface LeaseRecord {
  readonly holder: string;
  /** Principal that the lease is bound to; "" for none. The same holder with another owner is another holder. */
  readonly owner: string;
  readonly fencingToken: bigint;
  readonly ttlMillis: number;
  readonly expireTimeMicros: number;
  readonly released: boolean;
}

/**
 * The leases of a store. Each is one row. Every change replaces the row on the condition that no other change did, so
 * the storage orders all changes, and only one of two competitors gets a free lease. expiry.ts decides when a lease
 * expires.
 */
export class Leases {
  readonly #options: CoordinationOptions;
  readonly #expiry: Expiry;
  readonly #records: Records;
  /** Bounds the tokens that appends to this store may carry. */
  readonly tokens: TokenCeiling;

  constructor(options: CoordinationOptions, expiry = new Expiry(options.clock)) {
    this.#options = options;
    this.#expiry = expiry;
    this.#records = new Records(options.store, options.shared, LEASES);
    this.tokens = new TokenCeiling(options.store, options.shared);
  }

  /**
   * Takes a lease that is free or has expired, or renews it for its holder.
   *
   * @param owner principal that the lease is bound to; "" for none
   * @throws ServerError LEASE_HELD if another holder has the lease
   */
  async acquire(key: string, holder: string, ttlMillis: number, owner = ""): Promise<Lease> {
    const lease = await this.#change(key, (row) => {
      const before = row && decode(row, key);
      const left = row && before ? this.#remaining(key, row, before) : 0;
      if (before !== undefined && left > 0 && (before.holder !== holder || before.owner !== owner)) {
        throw new ServerError(ErrorReason.LEASE_HELD, `lease "${key}" is held by another holder; try again later`, {
          retryAfterMillis: Math.ceil(left),
        });
      }
      const fencingToken = (before?.fencingToken ?? 0n) + (left > 0 ? 0n : 1n);
      return this.#write(key, { holder, owner, fencingToken, ttlMillis });
    });
    await this.tokens.handOut(lease.fencingToken);
    return lease;
  }

  /**
   * Extends a lease.
   *
   * @param ttlMillis the new duration; `undefined` keeps the previous one
   * @throws ServerError LEASE_LOST if the claimant does not hold the lease any more
   */
  renew(claim: LeaseClaim, ttlMillis: number | undefined): Promise<Lease> {
    return this.#change(claim.key, (row) => {
      const before = row && decode(row, claim.key);
      const held = row !== undefined && before !== undefined && isClaimed(before, claim);
      if (!held || this.#remaining(claim.key, row, before) === 0) {
        throw new ServerError(
          ErrorReason.LEASE_LOST,
          `lease "${claim.key}" is not held by this holder any more; acquire it again`,
        );
      }
      return this.#write(claim.key, { ...claim, ttlMillis: ttlMillis ?? before.ttlMillis });
    });
  }

  /** Releases a lease; does nothing if the claimant does not hold it any more. */
  async release(claim: LeaseClaim): Promise<void> {
    await this.#change<void>(claim.key, (row) => {
      const before = row && decode(row, claim.key);
      if (before === undefined || !isClaimed(before, claim)) return { result: undefined };
      return { value: encode({ ...before, released: true }), result: undefined };
    });
  }

  /** @throws ServerError NOT_FOUND if the key has no live lease */
  async get(key: string): Promise<Lease> {
    const row = await this.#options.store.get(LEASES, leaseKeys.key(key));
    const lease = row && this.#live(key, row);
    if (lease === undefined) throw new ServerError(ErrorReason.NOT_FOUND, `there is no live lease "${key}"`);
    return lease;
  }

  /** Live leases by key, in byte order. A lease that has ended has an entry without an item. */
  async *list(prefix: string, after: string, atOnce: number): AsyncGenerator<Listed<Lease>, void, undefined> {
    for await (const rows of rowsAtOnce(this.#options.store, LEASES, leaseKeys.range(prefix, after), atOnce)) {
      for (const row of rows) {
        const name = leaseKeys.name(row.key);
        yield { name, item: this.#live(name, row) };
      }
    }
  }

  #live(key: string, row: Row): Lease | undefined {
    const record = decode(row, key);
    if (this.#remaining(key, row, record) === 0) return undefined;
    return { key, holder: record.holder, fencingToken: record.fencingToken, expireTimeMicros: record.expireTimeMicros };
  }

  #remaining(key: string, row: Row, { ttlMillis, expireTimeMicros, released }: LeaseRecord): number {
    return released ? 0 : this.#expiry.remaining(key, { version: row.version, ttlMillis, expireTimeMicros });
  }

  #write(key: string, kept: Omit<LeaseRecord, "expireTimeMicros" | "released">): Decision<Lease> {
    const expireTimeMicros = this.#options.clock() + kept.ttlMillis * 1_000;
    const { holder, fencingToken } = kept;
    return {
      value: encode({ ...kept, expireTimeMicros, released: false }),
      result: { key, holder, fencingToken, expireTimeMicros },
    };
  }

  #change<Result>(key: string, decide: Decide<Result>): Promise<Result> {
    return this.#records.change(leaseKeys.key(key), decide, (version) => this.#expiry.written(key, version));
  }
}

function isClaimed(record: LeaseRecord, { holder, owner, fencingToken }: LeaseClaim): boolean {
  const isHolder = record.holder === holder && record.owner === owner;
  return !record.released && isHolder && record.fencingToken === fencingToken;
}

function encode(record: LeaseRecord): Uint8Array[] {
  const message = create(LeaseRecordSchema, {
    holder: record.holder,
    owner: record.owner,
    fencingToken: record.fencingToken,
    ttlMillis: BigInt(record.ttlMillis),
    expireTime: BigInt(record.expireTimeMicros),
    released: record.released,
    mark: random64(),
  });
  return frameRow([toBinary(LeaseRecordSchema, message)]);
}

function decode({ value }: Row, key: string): LeaseRecord {
  const message = decodeWith(value, `lease "${key}"`, (bytes) => fromBinary(LeaseRecordSchema, bytes));
  const { holder, owner, fencingToken, released } = message;
  const [ttlMillis, expireTimeMicros] = [Number(message.ttlMillis), Number(message.expireTime)];
  return { holder, owner, fencingToken, ttlMillis, expireTimeMicros, released };
}
