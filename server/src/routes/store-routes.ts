import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ErrorReason, LIMITS, type StoreService } from "@streamkit/protocol";
import { principalKey } from "../access/gate.ts";
import type { ServerLimits } from "../budgets/limits.ts";
import { checkUuid } from "../engine/names.ts";
import type { OpenStores } from "../engine/open-stores.ts";
import { ServerError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { VERSION } from "../version.ts";
import { grantedStores } from "./granted-names.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import type { Stores } from "./stores.ts";

const CAPABILITIES = [
  "append",
  "consume",
  "cursor",
  "delete",
  "lease",
  "presence",
  "produce",
  "read",
  "reflection",
  "segment-status",
  "trim",
];

/** StoreService. */
export function storeRoutes(
  storage: Storage,
  openStores: OpenStores,
  stores: Stores,
  dedupeWindowMillis: number,
  limits: ServerLimits,
): ServiceImpl<typeof StoreService> {
  return {
    async listStores(request, { values }) {
      const paging = new Paging(request, "stores");
      const after = paging.after === "" ? undefined : checkUuid(paging.after, "page_token");
      const granted = values.get(principalKey)?.grants.stores("read");
      const list =
        granted === undefined
          ? (await storage.list({ after, limit: paging.size + 1 })).map((storeId) => ({
              name: storeId,
              item: { storeId },
            }))
          : grantedStores(storage, granted, paging.after);
      const { items, nextPageToken } = await paging.take(list, ({ storeId }) => bytesOfTexts(storeId));
      return { stores: items, nextPageToken };
    },

    async getStore(request) {
      const storeId = checkUuid(request.storeId, "store_id");
      await stores.call(storeId, async (store) => {
        if (!(await store.open())) throw new ServerError(ErrorReason.NOT_FOUND, `there is no store ${storeId}`);
        await store.checkPresent();
      });
      return { store: { storeId } };
    },

    async deleteStore(request) {
      await openStores.delete(checkUuid(request.storeId, "store_id"));
      return {};
    },

    getServerInfo() {
      return {
        version: VERSION,
        limits: LIMITS,
        capabilities: CAPABILITIES,
        storage: storage.kind,
        dedupeWindow: durationFromMs(dedupeWindowMillis),
        budgets: {
          maxConnectionStreams: Math.min(limits.streamsPerConnection, limits.streamsPerAddress, limits.streams),
          maxConnectionRequestBytes: BigInt(limits.requestBytesPerConnection),
          maxConnectionResponseBytes: BigInt(limits.responseBytesPerConnection),
          requestTimeout: durationFromMs(limits.requestMillis),
        },
      };
    },
  };
}
