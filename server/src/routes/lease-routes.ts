import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LeaseSchema, LeaseService } from "@streamkit/protocol";
import type { Lease, LeaseClaim } from "../engine/coordination/leases.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import { invalidField } from "../errors.ts";
import { checkAll } from "./checks.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import { ownerOf } from "./owner.ts";
import { toMillis } from "./request-fields.ts";
import type { Stores } from "./stores.ts";
import { timestampFromMicros } from "./times.ts";

const DEFAULT_TTL_MILLIS = 30_000;
const TTL_LIMITS = { min: 1_000, max: 86_400_000, expected: "1 s to 24 h" };

/** LeaseService. */
export function leaseRoutes(stores: Stores): ServiceImpl<typeof LeaseService> {
  return {
    async acquireLease(request, { values }) {
      const { key, holder, ttl } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        key: () => checkName(request.key, "key"),
        holder: () => checkName(request.holder, "holder"),
        ttl: () => ttlMillis(request.ttl) ?? DEFAULT_TTL_MILLIS,
      });
      const lease = await stores.call(request.storeId, (store) =>
        store.write(() => store.leases.acquire(key, holder, ttl, ownerOf(values, request.storeId))),
      );
      return { lease: toMessage(lease) };
    },

    async renewLease(request, { values }) {
      const { claim, ttl } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        claim: () => toClaim(request, ownerOf(values, request.storeId)),
        ttl: () => ttlMillis(request.ttl),
      });
      const lease = await stores.call(request.storeId, (store) => store.write(() => store.leases.renew(claim, ttl)));
      return { lease: toMessage(lease) };
    },

    async releaseLease(request, { values }) {
      const { claim } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        claim: () => toClaim(request, ownerOf(values, request.storeId)),
      });
      await stores.call(request.storeId, (store) => store.write(() => store.leases.release(claim)));
      return {};
    },

    async getLease(request) {
      const { key } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        key: () => checkName(request.key, "key"),
      });
      return { lease: toMessage(await stores.call(request.storeId, (store) => store.leases.get(key))) };
    },

    async listLeases(request) {
      const { prefix, paging } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        prefix: () => checkPrefix(request.prefix, "prefix"),
        paging: () => new Paging(request, "leases", request.storeId.toLowerCase(), request.prefix),
      });
      const { items, nextPageToken } = await stores.call(request.storeId, (store) =>
        paging.take(store.leases.list(prefix, paging.after, paging.size + 1), ({ key, holder }) =>
          bytesOfTexts(key, holder),
        ),
      );
      return { leases: items.map(toMessage), nextPageToken };
    },
  };
}

function toClaim(request: { key: string; holder: string; fencingToken: bigint }, owner: string): LeaseClaim {
  return checkAll({
    owner: () => owner,
    key: () => checkName(request.key, "key"),
    holder: () => checkName(request.holder, "holder"),
    fencingToken: () => toToken(request.fencingToken),
  });
}

function toToken(token: bigint): bigint {
  if (token === 0n) throw invalidField("fencing_token", "is missing; expected the one that AcquireLease gave");
  return token;
}

function ttlMillis(ttl: Duration | undefined): number | undefined {
  return ttl === undefined ? undefined : toMillis(ttl, "ttl", TTL_LIMITS);
}

function toMessage({ key, holder, fencingToken, expireTimeMicros }: Lease): MessageInitShape<typeof LeaseSchema> {
  return { key, holder, fencingToken, expireTime: timestampFromMicros(expireTimeMicros) };
}
