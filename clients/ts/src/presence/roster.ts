import type { GroupState, SubscribeToWorkersResponse, Worker as WireWorker, WorkerChanges } from "@streamkit/protocol";
import { connectionLost } from "../errors/error.ts";
import { timestampDate } from "../time.ts";
import type { Inventory, Worker } from "./presence.ts";

/** The workers of a group, collected from the responses of one subscription. */
export class Roster {
  readonly #workers = new Map<string, Worker>();
  /** The numbers of all registrations, combined with exclusive or. */
  #digest = 0n;

  /**
   * Applies a response. Returns the inventory if the response completes a snapshot or a change; `undefined` in the
   * middle of one, and for a heartbeat.
   *
   * @throws StreamkitError CONNECTION_LOST if the number or the digest of the workers differs from the server's, which
   *   means that a change was lost
   */
  apply({ event }: SubscribeToWorkersResponse): Inventory | undefined {
    switch (event.case) {
      case "changes":
        this.#change(event.value);
        if (event.value.state === undefined) return undefined;
        this.#check(event.value.state);
        return this.#inventory();
      case "snapshotComplete":
        this.#check(event.value);
        return this.#inventory();
      case "heartbeat":
        this.#check(event.value);
        return undefined;
      default:
        return undefined;
    }
  }

  #change({ snapshotStart, workers, left }: WorkerChanges): void {
    if (snapshotStart) {
      this.#workers.clear();
      this.#digest = 0n;
    }
    for (const id of left) this.#remove(id);
    for (const worker of workers) {
      this.#remove(worker.id);
      this.#workers.set(worker.id, toWorker(worker));
      this.#digest ^= worker.registration;
    }
  }

  #remove(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#workers.delete(id);
    this.#digest ^= worker.registration;
  }

  #check({ workerCount, digest }: GroupState): void {
    if (workerCount === this.#workers.size && digest === this.#digest) return;
    const found = `${this.#workers.size} workers here, ${workerCount} on the server`;
    throw connectionLost(`a change of the group of workers was lost (${found}); the client reads the group again`);
  }

  #inventory(): Inventory {
    return [...this.#workers.values()].sort((a, b) => compareNames(a.id, b.id));
  }
}

export function toWorker({ id, metadata, joinTime, registration }: WireWorker): Worker {
  return { id, metadata, joinTime: joinTime === undefined ? new Date(0) : timestampDate(joinTime), registration };
}

/** Compares two names by their bytes in UTF-8, which is the order of their code points. */
function compareNames(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === a.length || at === b.length) return a.length - b.length;
  const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
  // Surrogates stand for code points beyond all other UTF-16 units.
  if (isSurrogate(left) !== isSurrogate(right)) return isSurrogate(left) ? 1 : -1;
  return left - right;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
