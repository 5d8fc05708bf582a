import { create, type Message } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { ConnectError, type Transport } from "@connectrpc/connect";
import {
  type AcquireLeaseRequest,
  type AcquireLeaseResponse,
  ErrorDetailSchema,
  ErrorReason,
  type Lease,
  type ListLeasesRequest,
  type ListLeasesResponse,
  type ReleaseLeaseRequest,
  ReleaseLeaseResponseSchema,
  type RenewLeaseRequest,
  RenewLeaseResponseSchema,
} from "@streamkit/protocol";
import { type LeaseRecord, LeaseRecordSchema } from "@streamkit/protocol/storage";
import type { PartitionStore, Row } from "@streamkit/server";
import { changedStorage } from "../../../server/src/storage/changed-storage.ts";
import { changed, seeing } from "../lab/bent-rows.ts";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

type Claim = RenewLeaseRequest | ReleaseLeaseRequest;
/** Fields that some of the requests have. */
type Asked = Pick<AcquireLeaseRequest, "key" | "ttl"> & Pick<ListLeasesRequest, "prefix">;

function bend(name: string, wrong: string, bends: () => Bends): Deviation {
  return { name, wrong, where: "lease", transport: (next: Transport) => bentTransport(next, bends()) };
}

/** A server that misreads its lease rows. `change` is called once per store. */
function misreading(
  name: string,
  wrong: string,
  change: (store: PartitionStore, storeId: string) => (record: LeaseRecord, row: Row) => void,
): Deviation {
  const bent = (store: PartitionStore, storeId: string): Partial<PartitionStore> => {
    const see = change(store, storeId);
    const misread = (partition: string, row: Row): Row =>
      partition === "leases" ? changed(row, LeaseRecordSchema, (record) => see(record, row)) : row;
    return seeing(store, misread);
  };
  return { name, wrong, where: "lease", storage: () => (next) => changedStorage(next, bent) };
}

/** A server that accepts any claim to a lease as if one of its fields matched the holder's. */
function trusting(name: string, wrong: string, rpc: string, trust: (claim: Claim, lease: Lease) => void): Deviation {
  return bend(name, wrong, () => {
    const leases = new Map<string, Lease>();
    return {
      request(called, message) {
        const lease = called === rpc ? leases.get(nameOf(message as Claim)) : undefined;
        if (lease !== undefined) trust(message as Claim, lease);
      },
      response(called, message, request) {
        const { lease } = message as AcquireLeaseResponse;
        if (called === "AcquireLease" && lease !== undefined) leases.set(nameOf(request as AcquireLeaseRequest), lease);
      },
    };
  });
}

function nameOf({ storeId, key }: { readonly storeId: string; readonly key: string }): string {
  return `${storeId}/${key}`;
}

function bendList(
  name: string,
  wrong: string,
  change: (response: ListLeasesResponse, request: ListLeasesRequest) => void,
) {
  return bend(name, wrong, () => ({
    response(rpc, message, request) {
      if (rpc === "ListLeases") change(message as ListLeasesResponse, request as ListLeasesRequest);
    },
  }));
}

function bendRequest(
  name: string,
  wrong: string,
  rpcs: readonly string[],
  change: (request: Asked) => void,
): Deviation {
  return bend(name, wrong, () => ({
    request(rpc, message) {
      if (rpcs.includes(rpc)) change(message as Message & Asked);
    },
  }));
}

/** A server with other advice about the next attempt in LEASE_HELD. */
function advising(name: string, wrong: string, millis: number | undefined): Deviation {
  return bend(name, wrong, () => ({
    failure(error) {
      const [detail] = error.findDetails(ErrorDetailSchema);
      if (detail?.reason !== ErrorReason.LEASE_HELD) return error;
      const value = { ...detail, retryAfter: millis === undefined ? undefined : durationFromMs(millis) };
      const changed = new ConnectError(error.rawMessage, error.code);
      changed.details.push({ desc: ErrorDetailSchema, value });
      return changed;
    },
  }));
}

const TTL = ["AcquireLease", "RenewLease"];
const BY_KEY = [...TTL, "ReleaseLease", "GetLease"];

/** Servers with faults in their leases. */
export const LEASE_DEVIATIONS: readonly Deviation[] = [
  misreading("token-again-after-release", "grants the token of a released lease again", () => (record) => {
    if (record.released) record.fencingToken -= 1n;
  }),
  misreading("token-again-after-expiry", "grants the token of an expired lease again", () => {
    const seen = new Map<string, { readonly version: unknown; readonly since: number }>();
    return (record, { key, version }) => {
      const name = Buffer.from(key).toString("latin1");
      const known = seen.get(name);
      if (known?.version !== version) seen.set(name, { version, since: performance.now() });
      else if (performance.now() - known.since >= Number(record.ttlMillis)) record.fencingToken -= 1n;
    };
  }),
  bend("shared-lease", "grants a held lease to every caller", () => ({
    around: async (rpc, request, send) => {
      const asked = request as AcquireLeaseRequest;
      if (!["AcquireLease", "RenewLease", "ReleaseLease"].includes(rpc) || asked.holder === "") return send();
      const { holder } = asked;
      asked.holder = "everybody";
      const response = await send();
      const { lease } = response as AcquireLeaseResponse;
      if (lease !== undefined) lease.holder = holder;
      return response;
    },
  })),
  trusting("renewal-by-anyone", "renews a lease for any holder", "RenewLease", (claim, { holder }) => {
    claim.holder = holder;
  }),
  trusting("renewal-with-any-token", "renews a lease with any token", "RenewLease", (claim, { fencingToken }) => {
    claim.fencingToken = fencingToken;
  }),
  trusting("release-by-anyone", "releases a lease for any holder", "ReleaseLease", (claim, { holder }) => {
    claim.holder = holder;
  }),
  trusting("release-with-any-token", "releases a lease with any token", "ReleaseLease", (claim, lease) => {
    if (claim.fencingToken > 0n) claim.fencingToken = lease.fencingToken;
  }),
  misreading("endless-lease", "lets no lease expire", () => (record) => {
    record.ttlMillis = 86_400_000n;
    record.expireTime = BigInt(Date.now() + 86_400_000) * 1_000n;
  }),
  misreading("half-a-lease", "lets leases expire after half of their time", () => (record) => {
    record.ttlMillis /= 2n;
  }),
  misreading("revived-lease", "shows released leases", () => (record) => {
    record.released = false;
  }),
  bend("idle-renewal", "acknowledges renewals and does nothing", () => {
    const leases = new Map<string, Lease>();
    return {
      around: async (rpc, request, send) => {
        const claim = request as RenewLeaseRequest;
        const known = leases.get(nameOf(claim));
        const held = known?.holder === claim.holder && known.fencingToken === claim.fencingToken;
        if (rpc === "RenewLease" && held) return create(RenewLeaseResponseSchema, { lease: known });
        const response = await send();
        const { lease } = response as AcquireLeaseResponse;
        if (rpc === "AcquireLease" && lease !== undefined) leases.set(nameOf(claim), lease);
        if (rpc === "ReleaseLease") leases.delete(nameOf(claim));
        return response;
      },
    };
  }),
  bend("idle-release", "acknowledges a release and keeps the lease", () => ({
    around: async (rpc, request, send) => {
      const { key, holder, fencingToken } = request as ReleaseLeaseRequest;
      if (rpc !== "ReleaseLease" || key.length > 200 || holder === "" || fencingToken === 0n) return send();
      return create(ReleaseLeaseResponseSchema);
    },
  })),
  bendRequest("forgotten-ttl", "renews for 30 s unless told otherwise", ["RenewLease"], (request) => {
    request.ttl ??= durationFromMs(30_000);
  }),
  bendRequest("ample-ttl", "grants every lease for at least 20 s", TTL, (request) => {
    const millis = request.ttl === undefined ? 0 : durationMs(request.ttl);
    if (millis >= 1_000 && millis < 20_000) request.ttl = durationFromMs(20_000);
  }),
  bendRequest("wrong-default-ttl", "leases for a minute unless told otherwise", ["AcquireLease"], (request) => {
    request.ttl ??= durationFromMs(60_000);
  }),
  bendRequest("clamped-ttl", "replaces an invalid ttl by the nearest valid one", TTL, (request) => {
    if (request.ttl === undefined) return;
    request.ttl = durationFromMs(Math.min(86_400_000, Math.max(1_000, durationMs(request.ttl))));
  }),
  advising("no-advice", "gives no advice on when to retry", undefined),
  advising("endless-advice", "advises to retry after a day", 86_400_000),
  bendRequest("folded-keys", "treats keys of leases without regard to case", BY_KEY, (request) => {
    request.key = request.key.toLowerCase();
  }),
  bendRequest("ignored-lease-prefix", "ignores the prefix of a list of leases", ["ListLeases"], (request) => {
    request.prefix = "";
  }),
  bendList("reversed-leases", "lists leases backwards", ({ leases }) => void leases.reverse()),
  bendList("lost-lease-on-page", "loses the first lease of every later page", ({ leases }, { pageToken }) => {
    if (pageToken !== "") leases.shift();
  }),
];
