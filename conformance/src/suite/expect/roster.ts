import { type JsonObject, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import {
  type GroupState,
  LIMITS,
  type SubscribeToWorkersResponse,
  SubscribeToWorkersResponseSchema,
  type Worker,
  type WorkerChanges,
  WorkerSchema,
} from "@streamkit/protocol";
import { type Difference, match } from "./match.ts";

/** The workers of a group as a subscription has reported them so far, assembled by the rules of SubscribeToWorkers. */
export class Roster {
  readonly #workers = new Map<string, Worker>();
  #begun = false;
  #inSnapshot = true;
  /** The workers at the latest group state in a response. */
  #complete: readonly Worker[] | undefined;
  /** The first broken rule; undefined if the responses obey the rules. */
  broken: Difference;

  /** True once a snapshot was complete. */
  get complete(): boolean {
    return this.#complete !== undefined;
  }

  /** Applies a response. */
  add(response: SubscribeToWorkersResponse): void {
    this.broken ??= this.#apply(response);
  }

  /** True if exactly these workers were reported. */
  has(expected: JsonValue): boolean {
    return this.#complete !== undefined && this.match(expected) === undefined;
  }

  /** Compares the reported workers, sorted by id, with the expected ones. */
  match(expected: JsonValue): Difference {
    return match(expected, this.#complete?.map(toWorkerJson), "workers");
  }

  #apply(response: SubscribeToWorkersResponse): Difference {
    const bytes = toBinary(SubscribeToWorkersResponseSchema, response).length;
    if (bytes > LIMITS.maxResponseBytes) return `a response has ${bytes} bytes`;
    const { event } = response;
    switch (event.case) {
      case "changes":
        return this.#change(event.value);
      case "snapshotComplete":
        if (!this.#inSnapshot) return "snapshot_complete without a snapshot";
        this.#inSnapshot = false;
        return this.#named(event.value, "snapshot_complete");
      case "heartbeat":
        return this.#inSnapshot ? "a heartbeat before snapshot_complete" : this.#named(event.value, "heartbeat");
      default:
        return "a response without event";
    }
  }

  #change({ snapshotStart, workers, left, state }: WorkerChanges): Difference {
    if (snapshotStart) {
      this.#workers.clear();
      this.#inSnapshot = true;
    } else if (!this.#begun) {
      return "changes without snapshot_start, before any snapshot";
    }
    this.#begun = true;
    for (const id of left) this.#workers.delete(id);
    for (const worker of workers) {
      if (worker.registration === 0n) return `worker ${worker.id} has no registration`;
      this.#workers.set(worker.id, worker);
    }
    if (state === undefined) return undefined;
    return this.#inSnapshot ? "a state before snapshot_complete" : this.#named(state, "changes");
  }

  #named({ workerCount, digest }: GroupState, where: string): Difference {
    this.#begun = true;
    let found = 0n;
    for (const { registration } of this.#workers.values()) found ^= registration;
    if (this.#workers.size !== workerCount || found !== digest) {
      const told = [...this.#workers.keys()].slice(0, 10).join(", ") || "none";
      return `${where} names ${workerCount} workers with digest ${digest}; reported so far: ${told}, with digest ${found}`;
    }
    this.#complete = [...this.#workers.values()].sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
    return undefined;
  }
}

function toWorkerJson(worker: Worker): JsonObject {
  return toJson(WorkerSchema, worker, { useProtoFieldName: true, alwaysEmitImplicit: true }) as JsonObject;
}
