import { create, equals } from "@bufbuild/protobuf";
import {
  GroupStateSchema,
  type SubscribeToWorkersResponse,
  SubscribeToWorkersResponseSchema,
  type Worker,
  WorkerChangesSchema,
  WorkerSchema,
} from "@streamkit/protocol";

export type Responses = AsyncIterable<SubscribeToWorkersResponse>;

export const respond = (event: SubscribeToWorkersResponse["event"]) =>
  create(SubscribeToWorkersResponseSchema, { event });

export function stateOf(workers: readonly Worker[]) {
  const digest = workers.reduce((sum, { registration }) => sum ^ registration, 0n);
  return create(GroupStateSchema, { workerCount: workers.length, digest });
}

/** Returns the responses of a correct server whose workers differ from those in the given responses. */
export async function* retold(responses: Responses, change: (workers: Worker[]) => Worker[]): Responses {
  const known = new Map<string, Worker>();
  let told: Worker[] | undefined;
  for await (const { event } of responses) {
    if (event.case === "heartbeat") {
      yield respond({ case: "heartbeat", value: stateOf(told ?? []) });
      continue;
    }
    if (event.case === "changes") {
      if (event.value.snapshotStart) known.clear();
      for (const id of event.value.left) known.delete(id);
      for (const worker of event.value.workers) known.set(worker.id, worker);
      if (event.value.state === undefined) continue;
    }
    const now = change([...known.values()].map((worker) => ({ ...worker })));
    const before = new Map((told ?? []).map((worker) => [worker.id, worker]));
    const ids = new Set(now.map(({ id }) => id));
    const workers = now.filter((worker) => !isSame(worker, before.get(worker.id)));
    const left = [...before.keys()].filter((id) => !ids.has(id));
    const first = told === undefined;
    told = now;
    if (workers.length > 0 || left.length > 0) {
      const state = first ? undefined : stateOf(now);
      const value = create(WorkerChangesSchema, { snapshotStart: first, workers, left, ...(state && { state }) });
      yield respond({ case: "changes", value });
    }
    if (first) yield respond({ case: "snapshotComplete", value: stateOf(now) });
  }
}

function isSame(worker: Worker, other: Worker | undefined): boolean {
  return other !== undefined && equals(WorkerSchema, worker, other);
}
