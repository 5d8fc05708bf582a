import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type ListWorkersRequest,
  type ListWorkersResponse,
  PresenceService,
  type RenewWorkerRequest,
  RenewWorkerResponseSchema,
  type SubscribeToWorkersRequest,
  type Worker,
} from "@streamkit/protocol";
import type { Bends } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";
import { bend, bendEvents, events, PRESENCE_STREAM_DEVIATIONS } from "./presence-stream-deviations.ts";
import { retold } from "./retold-workers.ts";

function bendRequest(name: string, wrong: string, change: (request: SubscribeToWorkersRequest) => void): Deviation {
  return bend(name, wrong, () => ({
    request(rpc, message) {
      if (rpc === "SubscribeToWorkers") change(message as SubscribeToWorkersRequest);
    },
  }));
}

/** Changes the workers in the responses of subscriptions and lists. */
function bendWorkers(
  name: string,
  wrong: string,
  make: () => (workers: Worker[], request: SubscribeToWorkersRequest | ListWorkersRequest) => Worker[],
): Deviation {
  return bend(name, wrong, () => {
    const change = make();
    return {
      ...events((responses, request) => retold(responses, (workers) => change(workers, request))),
      response(rpc, message, request) {
        if (rpc !== "ListWorkers") return;
        const response = message as ListWorkersResponse;
        response.workers = change(response.workers, request as ListWorkersRequest);
      },
    };
  });
}

/** Returns a key for a worker of a group. */
function placeOf({ storeId, group }: { readonly storeId: string; readonly group: string }, id: string): string {
  return `${storeId}/${group}/${id}`;
}

/** The first stream with an id keeps its worker; later ones only watch. */
function firstWorkerStays(): Bends {
  const registered = new Set<string>();
  return {
    request(rpc, message) {
      if (rpc !== "SubscribeToWorkers") return;
      const request = message as SubscribeToWorkersRequest;
      if (request.worker !== undefined && registered.has(placeOf(request, request.worker.id))) delete request.worker;
    },
    ...events(async function* (responses, request) {
      const place = request.worker && placeOf(request, request.worker.id);
      if (place !== undefined) registered.add(place);
      try {
        yield* responses;
      } finally {
        if (place !== undefined) registered.delete(place);
      }
    }),
  };
}

/** The end of a stream hides its worker, even if another stream has registered the worker since. */
function endTakesAll(): Bends {
  const latest = new Map<string, object>();
  const hidden = new Set<string>();
  const visible = (request: SubscribeToWorkersRequest | ListWorkersRequest, workers: Worker[]): Worker[] =>
    workers.filter(({ id }) => !hidden.has(placeOf(request, id)));
  return {
    ...events(async function* (responses, request) {
      const place = request.worker && placeOf(request, request.worker.id);
      const own = {};
      if (place !== undefined) {
        latest.set(place, own);
        hidden.delete(place);
      }
      try {
        yield* retold(responses, (workers) => visible(request, workers));
      } finally {
        if (place !== undefined && latest.get(place) !== own) hidden.add(place);
      }
    }),
    response(rpc, message, request) {
      if (rpc !== "ListWorkers") return;
      const response = message as ListWorkersResponse;
      response.workers = visible(request as ListWorkersRequest, response.workers);
    },
  };
}

/** Servers with faults in their workers. */
export const PRESENCE_DEVIATIONS: readonly Deviation[] = [
  ...PRESENCE_STREAM_DEVIATIONS,
  bendWorkers("same-registration", "gives all registrations the same number", () => (workers) => {
    for (const worker of workers) worker.registration = 7n;
    return workers;
  }),
  bendWorkers("kept-labels", "keeps the labels of a worker that registers again", () => {
    const first = new Map<string, Worker["metadata"]>();
    return (workers, request) => {
      for (const worker of workers) {
        const place = placeOf(request, worker.id);
        if (!first.has(place)) first.set(place, worker.metadata);
        worker.metadata = first.get(place)!;
      }
      return workers;
    };
  }),
  bendEvents("registers-late", "registers a worker after its snapshot", (responses, { worker }) => {
    let first = true;
    return retold(responses, (workers) => {
      const shown = first ? workers.filter(({ id }) => id !== worker?.id) : workers;
      first = false;
      return shown;
    });
  }),
  bendWorkers("ghost-workers", "shows workers that have left", () => {
    const seen = new Map<string, Map<string, Worker>>();
    return (workers, request) => {
      const group = placeOf(request, "");
      const all = seen.get(group) ?? new Map<string, Worker>();
      seen.set(group, all);
      for (const worker of workers) all.set(worker.id, worker);
      return [...all.values()].sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
    };
  }),
  bend("first-worker-stays", "does not let a second registration replace the first", firstWorkerStays),
  bend("end-takes-all", "removes a worker when the stream that it replaced ends", endTakesAll),
  bendEvents(
    "quiet-replacement",
    "ends a stream that was replaced as if it were complete",
    async function* (responses) {
      try {
        yield* responses;
      } catch (error) {
        if (ConnectError.from(error).code !== Code.NotFound) throw error;
      }
    },
  ),
  bend("needs-renewals", "expires workers that were never renewed", (next) => {
    const client = createClient(PresenceService, next);
    return events(async function* (responses, { storeId, group, worker }) {
      let first = worker !== undefined;
      for await (const response of responses) {
        if (first) await client.renewWorker({ storeId, group, workerId: worker!.id }).catch(() => {});
        first = false;
        yield response;
      }
    });
  }),
  bend("idle-worker-renewal", "acknowledges renewals and forgets them", (next) => {
    const client = createClient(PresenceService, next);
    return {
      around: async (rpc, request, send) => {
        const { storeId, group, workerId } = request as RenewWorkerRequest;
        if (rpc !== "RenewWorker" || group === "" || workerId === "") return send();
        const { workers } = await client.listWorkers({ storeId, group });
        return workers.some(({ id }) => id === workerId) ? create(RenewWorkerResponseSchema) : send();
      },
    };
  }),
  bend("one-renewal-is-enough", "counts from the first renewal", (next) => {
    const client = createClient(PresenceService, next);
    const renewed = new Set<string>();
    return {
      around: async (rpc, request, send) => {
        const { storeId, group, workerId } = request as RenewWorkerRequest;
        const place = placeOf(request as RenewWorkerRequest, workerId);
        if (rpc !== "RenewWorker" || !renewed.has(place)) {
          const response = await send();
          if (rpc === "RenewWorker") renewed.add(place);
          return response;
        }
        const { workers } = await client.listWorkers({ storeId, group });
        return workers.some(({ id }) => id === workerId) ? create(RenewWorkerResponseSchema) : send();
      },
    };
  }),
  bend("renews-nobody", "acknowledges renewals of workers that do not exist", () => ({
    around: async (rpc, _, send) => {
      if (rpc !== "RenewWorker") return send();
      return send().catch((error: unknown) => {
        if (ConnectError.from(error).code !== Code.NotFound) throw error;
        return create(RenewWorkerResponseSchema);
      });
    },
  })),
  bendRequest("dropped-worker-metadata", "forgets the metadata of workers", ({ worker }) => {
    if (worker !== undefined) worker.metadata = {};
  }),
  bendRequest("cut-worker-metadata", "cuts metadata that is too long", ({ worker }) => {
    for (const [key, value] of Object.entries(worker?.metadata ?? {})) {
      if (value.length > 2_000) worker!.metadata[key] = value.slice(0, 2_000);
    }
  }),
  bendWorkers("timeless-workers", "omits the time at which a worker joined", () => (workers) => {
    for (const worker of workers) delete worker.joinTime;
    return workers;
  }),
  bendWorkers("reversed-workers", "sends and lists workers backwards", () => (workers) => workers.toReversed()),
  bendWorkers("worker-lost-on-page", "loses the first worker of every later page", () => (workers, request) => {
    return "pageToken" in request && request.pageToken !== "" ? workers.slice(1) : workers;
  }),
  bendRequest("folded-groups", "treats groups without regard to case", (request) => {
    request.group = request.group.toLowerCase();
  }),
  bendRequest("clamped-interval", "replaces an invalid interval by the nearest valid one", (request) => {
    if (request.interval === undefined) return;
    request.interval = durationFromMs(Math.min(3_600_000, Math.max(1_000, durationMs(request.interval))));
  }),
];
