import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LeaseSchema, LeaseService } from "@streamkit/protocol";
import type { Lease, LeaseClaim } from "../engine/coordination/leases.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import { invalidField } from "../errors.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import { toMillis } from "./request-fields.ts";
import type { Stores } from "./stores.ts";
import { timestampFromMicros } from "./times.ts";

const DEFAULT_TTL_MILLIS = 30_000;
const TTL_LIMITS = { min: 1_000, max: 86_400_000, expected: "1 s to 24 h" };

/** LeaseService. */
export function leaseRoutes(stores: Stores): ServiceImpl<typeof LeaseService> {
  return {
    async acquireLease(request) {
      const key = checkName(request.key, "key");
      const holder = checkName(request.holder, "holder");
      const ttl = ttlMillis(request.ttl) ?? DEFAULT_TTL_MILLIS;
      const lease = await stores.call(request.storeId, (node) =>
        node.write(() => node.leases.acquire(key, holder, ttl)),
      );
      return { lease: toMessage(lease) };
    },

    async renewLease(request) {
      const claim = toClaim(request);
      const ttl = ttlMillis(request.ttl);
      const lease = await stores.call(request.storeId, (node) => node.write(() => node.leases.renew(claim, ttl)));
      return { lease: toMessage(lease) };
    },

    async releaseLease(request) {
      const claim = toClaim(request);
      await stores.call(request.storeId, (node) => node.write(() => node.leases.release(claim)));
      return {};
    },

    async getLease(request) {
      const key = checkName(request.key, "key");
      return { lease: toMessage(await stores.call(request.storeId, (node) => node.leases.get(key))) };
    },

    async listLeases(request) {
      const prefix = checkPrefix(request.prefix, "prefix");
      const paging = new Paging(request, "leases", checkUuid(request.storeId, "store_id"), prefix);
      const { items, nextPageToken } = await stores.call(request.storeId, (node) =>
        paging.take(node.leases.list(prefix, paging.after), ({ key, holder }) => bytesOfTexts(key, holder)),
      );
      return { leases: items.map(toMessage), nextPageToken };
    },
  };
}

function toClaim(request: { key: string; holder: string; fencingToken: bigint }): LeaseClaim {
  const { fencingToken } = request;
  if (fencingToken === 0n) throw invalidField("fencing_token", "is missing; expected the one that AcquireLease gave");
  return { key: checkName(request.key, "key"), holder: checkName(request.holder, "holder"), fencingToken };
}

function ttlMillis(ttl: Duration | undefined): number | undefined {
  return ttl === undefined ? undefined : toMillis(ttl, "ttl", TTL_LIMITS);
}

function toMessage({ key, holder, fencingToken, expireTime }: Lease): MessageInitShape<typeof LeaseSchema> {
  return { key, holder, fencingToken, expireTime: timestampFromMicros(expireTime) };
}
