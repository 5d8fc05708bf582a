import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../../errors.ts";
import type { StoredWorker } from "./group-view.ts";
import type { Registrant } from "./worker-rows.ts";

/** A host or worker that was not heard of for so many intervals is gone. */
export const MISSED_INTERVALS = 3;

/** A worker that is registered through this instance. */
export class Member {
  readonly record: StoredWorker["record"];
  readonly intervalMillis: number;
  /** Aborted, with the reason, when the registration ends without the worker's doing. */
  readonly ended = new AbortController();
  /** True once its row was seen or known to be written. */
  joined = false;
  /** When it was renewed last, milliseconds on the monotonic clock. Undefined: never, its stream is what shows life. */
  renewedAt: number | undefined;

  constructor(registrant: Registrant, record: StoredWorker["record"]) {
    this.record = record;
    this.intervalMillis = registrant.intervalMillis;
  }

  get id(): string {
    return this.record.worker.id;
  }

  /** Whether a stored row is this member's. */
  owns(stored: StoredWorker | undefined): boolean {
    return stored?.record.worker.registration === this.record.worker.registration;
  }

  /** True when renewals have begun, and then failed to come. @param now milliseconds on the monotonic clock */
  hasMissedRenewals(now: number): boolean {
    return this.renewedAt !== undefined && now - this.renewedAt > MISSED_INTERVALS * this.intervalMillis;
  }
}

export function replaced(id: string): ServerError {
  return new ServerError(ErrorReason.NOT_FOUND, `another registration replaced that of worker "${id}"`);
}

export function notRenewed(id: string): ServerError {
  return new ServerError(ErrorReason.NOT_FOUND, `worker "${id}" has missed its renewals`);
}

export function groupFull(group: string, what: string): ServerError {
  const message = `group "${group}" is full: a group has room for ${what}; register in another group, or when others have left`;
  return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: 1_000 });
}
