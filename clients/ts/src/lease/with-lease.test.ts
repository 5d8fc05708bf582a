/** Taking a lease, and giving it back, with a server that does as it is told. */
import { create } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { AcquireLeaseResponseSchema, LeaseService } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { opaquePeer } from "../transport/opaque-peer.ts";
import { withLease } from "./with-lease.ts";

const TTL = 1_000;

/** A server that gives the lease at the n-th call, after `given`, and never answers those before, nor renewals. */
function server(gives: number, given: () => Promise<void> = async () => {}) {
  const calls = { acquired: 0, released: [] as bigint[] };
  const transport = createRouterTransport((router) => {
    router.service(LeaseService, {
      async acquireLease({ key, holder }) {
        if (++calls.acquired < gives) await new Promise(() => {});
        await given();
        return create(AcquireLeaseResponseSchema, { lease: { key, holder, fencingToken: 7n } });
      },
      renewLease: () => new Promise(() => {}),
      releaseLease({ fencingToken }) {
        calls.released.push(fencingToken ?? 0n);
        return {};
      },
    });
  });
  const settings = { transport, timeoutMillis: 30_000 };
  return { calls, context: { ...settings, retry: {}, onRetry: undefined, peer: opaquePeer(settings), duplex: true } };
}

// A frozen server holds what it was asked until the connection breaks, or the attempt is over: 30 seconds, by default. Meanwhile
// another instance, behind the same address, would have given the lease.
it("whoever waits for a lease asks again before an answer would be worth nothing", async () => {
  const { context } = server(2);
  const begin = performance.now();
  expect(await withLease(context, "store", "k", { ttl: TTL }, async (held) => held.fencingToken)).toBe(7n);
  expect(performance.now() - begin).toBeLessThan(5 * TTL);
});

// A renewal may have arrived whose answer did not: then the lease lasts for another ttl, and nobody has it.
it("a lease that was not renewed in time is given back all the same", async () => {
  const { calls, context } = server(1);
  const lost = withLease(context, "store", "k", { ttl: TTL }, ({ signal }) => {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("told"))));
  });
  await expect(lost).rejects.toMatchObject({ reason: "LEASE_LOST" });
  expect(calls.released).toEqual([7n]);
});

// A consumer that stops while it stands by asks at that moment, now and then. Its successors would wait for a whole ttl.
it("a lease that was given to who does not want it any more is given back", async () => {
  const giving = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const { calls, context } = server(1, () => {
    asked.resolve();
    return giving.promise;
  });
  const stopping = new AbortController();
  const lost = withLease(context, "store", "k", { ttl: TTL, signal: stopping.signal }, async () => "never");
  await asked.promise;
  stopping.abort();
  giving.resolve();
  await expect(lost).rejects.toMatchObject({ reason: "CANCELED" });
  expect(calls.released).toEqual([7n]);
});
