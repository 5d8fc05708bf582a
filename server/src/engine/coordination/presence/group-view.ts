import type { PartitionStore, Row, RowVersion } from "../../../storage/port.ts";
import { GROUP_HEAD_KEY, HEAD_AND_HOSTS_RANGE, instanceOfHostKey, workerKeys } from "../key-space.ts";
import { decodeHost, decodeWorker, type StoredRecord, type WorkerHost } from "./worker-rows.ts";

export interface StoredWorker {
  readonly record: StoredRecord;
  readonly version: RowVersion;
}

export interface StoredHost extends WorkerHost {
  readonly instance: Uint8Array;
  readonly version: RowVersion;
}

/** The name of an instance in maps. */
export function hex(instance: Uint8Array): string {
  return Buffer.from(instance).toString("hex");
}

/** The stored state of a group, at one version of its head. */
export class GroupView {
  headVersion: RowVersion | null = null;
  readonly hosts = new Map<string, StoredHost>();
  /** By worker id. */
  readonly workers = new Map<string, StoredWorker>();
  readonly #store: PartitionStore;
  readonly #partition: string;

  constructor(store: PartitionStore, partition: string) {
    this.#store = store;
    this.#partition = partition;
  }

  /**
   * Reads head and hosts, and also the workers if they have changed. Returns true if they have. Without a change, this
   * is one request.
   */
  async refresh(): Promise<boolean> {
    let head: Row | undefined;
    const hosts: StoredHost[] = [];
    for await (const rows of this.#store.scan(this.#partition, HEAD_AND_HOSTS_RANGE)) {
      for (const row of rows) {
        if (Buffer.compare(row.key, GROUP_HEAD_KEY) === 0) head = row;
        else hosts.push({ ...decodeHost(row.value), instance: instanceOfHostKey(row.key), version: row.version });
      }
    }
    const version = head?.version ?? null;
    const workers = version === this.headVersion ? undefined : await this.#readWorkers();
    this.hosts.clear();
    for (const host of hosts) this.hosts.set(hex(host.instance), host);
    if (workers === undefined) return false;
    this.headVersion = version;
    this.workers.clear();
    for (const worker of workers) this.workers.set(worker.record.worker.id, worker);
    return true;
  }

  async #readWorkers(): Promise<StoredWorker[]> {
    const found: StoredWorker[] = [];
    for await (const rows of this.#store.scan(this.#partition, workerKeys.range())) {
      for (const row of rows) {
        const known = this.workers.get(workerKeys.name(row.key));
        found.push(known?.version === row.version ? known : { record: decodeWorker(row.value), version: row.version });
      }
    }
    return found;
  }
}
