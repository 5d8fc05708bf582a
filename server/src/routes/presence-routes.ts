import type { Duration } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { LIMITS, PresenceService, type Worker } from "@streamkit/protocol";
import { encodedWorker } from "../engine/coordination/presence/encoded-worker.ts";
import type { Registrant } from "../engine/coordination/presence/worker-rows.ts";
import { checkName, checkUuid } from "../engine/names.ts";
import { invalidField } from "../errors.ts";
import { checkAll } from "./checks.ts";
import { sendShared } from "./direct-response.ts";
import type { Registry } from "./implementations.ts";
import { Paging } from "./list-page.ts";
import { ownerOf } from "./owner.ts";
import { toMillis } from "./request-fields.ts";
import type { Stores } from "./stores.ts";

const DEFAULT_INTERVAL_MILLIS = 15_000;
const INTERVAL_LIMITS = { min: 1_000, max: 3_600_000, expected: "1 s to 1 h" };

/** Adds PresenceService. All subscribers of a group share the encoded bytes of a message. */
export function presenceRoutes(registry: Registry, stores: Stores): void {
  registry.addService(PresenceService, implementation(stores), ({ methodKind }) => methodKind === "server_streaming");
}

function implementation(stores: Stores): ServiceImpl<typeof PresenceService> {
  return {
    subscribeToWorkers(request, context: HandlerContext) {
      const { group, millis, worker } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        group: () => checkName(request.group, "group"),
        millis: () => toInterval(request.interval),
        worker: () => request.worker && toWorker(request.worker),
      });
      const owner = ownerOf(context.values, request.storeId);
      const registrant = worker && { ...worker, intervalMillis: millis, owner };
      return stores.stream(request.storeId, context.signal, async function* (store, signal) {
        for await (const shared of store.presence.watch(group, registrant, millis, signal)) {
          yield sendShared(context, shared) ? {} : shared.message();
        }
      });
    },

    async renewWorker(request, { values }) {
      const { group, id } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        group: () => checkName(request.group, "group"),
        id: () => checkName(request.workerId, "worker_id"),
      });
      const owner = ownerOf(values, request.storeId);
      await stores.call(request.storeId, (store) => store.write(() => store.presence.renew(group, id, owner)));
      return {};
    },

    async listWorkers(request) {
      const { group, paging } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        group: () => checkName(request.group, "group"),
        paging: () => new Paging(request, "workers", request.storeId.toLowerCase(), request.group),
      });
      const { workers } = await stores.call(request.storeId, (store) => store.presence.list(group));
      const after = Buffer.from(paging.after);
      const rest = workers.filter(({ id }) => Buffer.compare(Buffer.from(id), after) > 0);
      const { items, nextPageToken } = await paging.take(
        rest.map((worker) => ({ name: worker.id, item: worker })),
        (worker) => encodedWorker(worker).bytes,
      );
      return { workers: items, nextPageToken };
    },
  };
}

function toInterval(interval: Duration | undefined): number {
  return interval === undefined ? DEFAULT_INTERVAL_MILLIS : toMillis(interval, "interval", INTERVAL_LIMITS);
}

function toWorker({ id, metadata }: Worker): Omit<Registrant, "intervalMillis" | "owner"> {
  return checkAll({ id: () => checkName(id, "worker.id"), metadata: () => checkMetadata(metadata) });
}

function checkMetadata(metadata: Worker["metadata"]): Worker["metadata"] {
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (bytes > LIMITS.maxWorkerMetadataBytes) {
    throw invalidField("worker.metadata", `has ${bytes} bytes; expected at most ${LIMITS.maxWorkerMetadataBytes}`);
  }
  return metadata;
}
