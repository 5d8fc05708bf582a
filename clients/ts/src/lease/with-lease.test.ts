/** Taking a lease and giving it back, with time moved by hand and a scripted server. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { AcquireLeaseResponseSchema, LeaseService } from "@streamkit/protocol";
import { expect, it, vi } from "vitest";
import { holdTime, pass, settle } from "../../test/held-time.ts";
import { Contact } from "../transport/contact.ts";
import { opaquePeer } from "../transport/opaque-peer.ts";
import { Streams } from "../transport/streams.ts";
import { withLease } from "./with-lease.ts";

const TTL = 5_000;

/**
 * A server that gives the lease when `answer` lets it, and never answers renewals; nor that a lease is back, unless
 * told to.
 */
function server(answer: (call: number) => Promise<void> | void, takesBack = true) {
  const calls = { acquired: 0, released: [] as bigint[] };
  const transport = createRouterTransport((router) => {
    router.service(LeaseService, {
      async acquireLease({ key, holder }) {
        await answer(++calls.acquired);
        return create(AcquireLeaseResponseSchema, { lease: { key, holder, fencingToken: 7n } });
      },
      renewLease: () => new Promise(() => {}),
      async releaseLease({ fencingToken }) {
        calls.released.push(fencingToken ?? 0n);
        if (!takesBack) await new Promise(() => {});
        return {};
      },
    });
  });
  const settings = { transport, timeoutMillis: 30_000, contact: new Contact(undefined) };
  return {
    calls,
    context: {
      ...settings,
      retry: {},
      onRetry: undefined,
      peer: opaquePeer(settings),
      duplex: () => true,
      streams: new Streams("auto", 1_000),
    },
  };
}

const never = () => new Promise<void>(() => {});

holdTime();

/** How long a promise takes to settle, in milliseconds of the moved time. */
async function timeOf(promise: Promise<unknown>): Promise<number> {
  const begin = performance.now();
  let settled = false;
  const settling = () => {
    settled = true;
  };
  promise.then(settling, settling);
  await settle();
  while (!settled && performance.now() - begin < 600_000) await pass(100);
  return performance.now() - begin;
}

// A frozen server holds a request until the connection breaks or the attempt times out, after 30 seconds by default.
// Another instance behind the same address would have granted the lease meanwhile.
it("whoever waits for a lease asks again before an answer would be worth nothing", async () => {
  const { context } = server((call) => (call < 2 ? never() : undefined));
  const token = withLease(context, "store", "k", { ttl: TTL }, async (held) => held.fencingToken);
  expect(await timeOf(token)).toBeLessThan(TTL);
  expect(await token).toBe(7n);
});

// The server may have got a renewal whose answer is lost. The lease then lasts for another ttl without a holder.
it("a lease that was not renewed in time is given back all the same", async () => {
  const { calls, context } = server(() => {});
  const lost = withLease(context, "store", "k", { ttl: TTL }, ({ signal }) => {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("told"))));
  });
  const told = expect(lost).rejects.toMatchObject({ reason: "LEASE_LOST" });
  await pass(TTL);
  await told;
  expect(calls.released).toEqual([7n]);
});

// A standby consumer may stop while it asks for the lease. Its successors would wait for a whole ttl.
it("a lease that was given to who does not want it any more is given back", async () => {
  const giving = Promise.withResolvers<void>();
  const { calls, context } = server(() => giving.promise);
  const stopping = new AbortController();
  const lost = withLease(context, "store", "k", { ttl: TTL, signal: stopping.signal }, async () => "never");
  await settle();
  stopping.abort();
  giving.resolve();
  await expect(lost).rejects.toMatchObject({ reason: "CANCELED" });
  expect(calls.released).toEqual([7n]);
});

it("whoever does not want it any more does not wait for long when the server is silent, however long the ttl is", async () => {
  const { context } = server(never);
  const stopping = new AbortController();
  const options = { ttl: 100_000, signal: stopping.signal };
  const stopped = withLease(context, "store", "k", options, async () => "never");
  await settle();
  stopping.abort();
  expect(await timeOf(stopped)).toBeLessThanOrEqual(2_100);
  await expect(stopped).rejects.toMatchObject({ reason: "CANCELED" });
});

it("whoever has lost it is told soon when the server is silent, however long the ttl is", async () => {
  const { calls, context } = server(() => {}, false);
  const lost = withLease(context, "store", "k", { ttl: 100_000 }, ({ signal }) => {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("told"))));
  });
  expect(await timeOf(lost)).toBeLessThanOrEqual(95_000 + 2_200);
  await expect(lost).rejects.toMatchObject({ reason: "LEASE_LOST" });
  expect(calls.released).toEqual([7n]);
});

// The holder's name is random, so no process could renew the lease, and none could get it before the end of its ttl.
it("a lease that was given too late is given back when it cannot be asked for again", async () => {
  const { calls, context } = server((call) => {
    if (call > 1) throw new ConnectError("no", Code.PermissionDenied);
    // The request arrived, and the process was frozen before the answer did.
    vi.setSystemTime(Date.now() + TTL / 2 + 1);
  });
  const refused = withLease(context, "store", "k", { ttl: TTL }, async () => "never");
  await expect(refused).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(calls).toEqual({ acquired: 2, released: [7n] });
});

it("a lease that was given too late is given back when it is not wanted any more", async () => {
  const stopping = new AbortController();
  const { calls, context } = server((call) => {
    vi.setSystemTime(Date.now() + TTL / 2 + 1);
    return call > 1 ? never() : undefined;
  });
  const stopped = withLease(context, "store", "k", { ttl: TTL, signal: stopping.signal }, async () => "never");
  const told = expect(stopped).rejects.toMatchObject({ reason: "CANCELED" });
  await settle();
  stopping.abort();
  await pass(TTL / 5);
  await told;
  expect(calls).toEqual({ acquired: 2, released: [7n] });
});
