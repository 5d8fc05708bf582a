import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../../errors.ts";
import type { StoredWorker } from "./group-view.ts";
import type { Registrant } from "./worker-rows.ts";

/** Number of intervals without a sign of life after which a host or worker counts as dead. */
export const MISSED_INTERVALS = 3;

/** A worker that registered through this instance. */
export class Member {
  readonly record: StoredWorker["record"];
  readonly intervalMillis: number;
  /** Aborted, with the reason, when the registration ends for a reason other than `leave`. */
  readonly ended = new AbortController();
  /** True once the row was written, or seen in storage. */
  joined = false;
  /**
   * Time of the latest renewal, in milliseconds on the monotonic clock. Undefined without renewals: the stream of the
   * worker shows that it lives.
   */
  renewedAt: number | undefined;

  constructor(registrant: Registrant, record: StoredWorker["record"]) {
    this.record = record;
    this.intervalMillis = registrant.intervalMillis;
  }

  get id(): string {
    return this.record.worker.id;
  }

  /** True if a stored row belongs to this member. */
  owns(stored: StoredWorker | undefined): boolean {
    return stored?.record.worker.registration === this.record.worker.registration;
  }

  /**
   * True if the worker has sent renewals, and then stopped.
   *
   * @param now milliseconds on the monotonic clock
   */
  hasMissedRenewals(now: number): boolean {
    return this.renewedAt !== undefined && now - this.renewedAt > MISSED_INTERVALS * this.intervalMillis;
  }
}

export function replaced(id: string): ServerError {
  return new ServerError(ErrorReason.NOT_FOUND, `another registration replaced the registration of worker "${id}"`);
}

export function notRenewed(id: string): ServerError {
  return new ServerError(ErrorReason.NOT_FOUND, `worker "${id}" has missed its renewals; register it again`);
}

export function groupFull(group: string, limit: string): ServerError {
  const message = `group "${group}" is full: a group has room for ${limit}; register in another group, or after other workers have left`;
  return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 1_000 });
}
