import type { GroupState, SubscribeToWorkersResponse, Worker } from "@streamkit/protocol";

/** The workers of a group as a subscriber knows them. Fails if they differ from the state that the server reports. */
export class Roster {
  readonly workers = new Map<string, Worker>();
  /** Number of complete snapshots. */
  snapshots = 0;
  /** Number of complete inventories: after the snapshot, and after each change. */
  inventories = 0;

  /** Applies a response. Returns true if the inventory is complete, and may have changed. */
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
