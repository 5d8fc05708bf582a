import type { GroupState, SubscribeToWorkersResponse, Worker } from "@streamkit/protocol";

/** The workers of a group as a subscriber knows them; fails when they are not those that the server names. */
export class Roster {
  readonly workers = new Map<string, Worker>();
  /** Snapshots that were complete. */
  snapshots = 0;
  /** Inventories that were complete: the snapshot, and each change. */
  inventories = 0;

  /** Takes in a response; true when the inventory is complete, and may be another one than before. */
  apply({ event }: SubscribeToWorkersResponse): boolean {
    if (event.case === "changes") {
      const { snapshotStart, workers, left, state } = event.value;
      if (snapshotStart) this.workers.clear();
      for (const id of left) this.workers.delete(id);
      for (const worker of workers) this.workers.set(worker.id, worker);
      if (state === undefined) return false;
      this.#check(state);
    } else if (event.case === undefined) {
      throw new Error("a response without event");
    } else {
      this.#check(event.value);
      if (event.case === "heartbeat") return false;
      this.snapshots++;
    }
    this.inventories++;
    return true;
  }

  /** Ids in byte order, joined by commas. */
  get ids(): string {
    return [...this.workers.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).join();
  }

  #check({ workerCount, digest }: GroupState): void {
    let found = 0n;
    for (const { registration } of this.workers.values()) found ^= registration;
    if (this.workers.size !== workerCount || found !== digest) {
      throw new Error(`${this.workers.size} workers with digest ${found}, not ${workerCount} with ${digest}`);
    }
  }
}
