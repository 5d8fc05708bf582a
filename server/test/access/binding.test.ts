/** Things that one principal makes, and that another principal must not repeat, take over, move or end. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  CursorService,
  ErrorDetailSchema,
  ErrorReason,
  LeaseService,
  PresenceService,
  StreamService,
} from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createStreamkit, Grants, memoryStorage, type Principal, type Streamkit } from "../../src/index.ts";
import { SEGMENT, SPACE, STORE } from "./calls.ts";

const bound = Grants.of([{ store: STORE, bind: true }]);
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  alice: { subject: "alice", grants: bound },
  bob: { subject: "bob", grants: bound },
  free: { subject: "free", grants: Grants.of([{ store: STORE }]) },
  other: { subject: "other", grants: Grants.of([{ store: STORE }]) },
};

let streamkit: Streamkit;
beforeEach(() => {
  const authenticate = ({ headers }: { headers: { get(name: string): string | null } }) =>
    PRINCIPALS[headers.get("authorization") ?? ""];
  streamkit = createStreamkit({ storage: memoryStorage(), authenticate, onEvent: () => undefined });
});
afterEach(() => streamkit.close());

const as = (authorization: string) => ({ headers: { authorization } });
const client = <T extends Parameters<typeof createClient>[0]>(service: T) =>
  createClient(service, streamkit.transport({ authenticate: true }));

async function reasonOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown) => ConnectError.from(thrown),
  );
  if (error === undefined) return "ok";
  return ErrorReason[error.findDetails(ErrorDetailSchema)[0]?.reason ?? 0] ?? Code[error.code];
}

describe("a transaction id", () => {
  const transactionId = "0d9bb1a4-5f35-44f4-9d5d-3a6f6f1d0c11";
  const append = (who: string, payload: number, expectedLastSequence?: bigint, segment = SEGMENT) =>
    client(StreamService).append(
      {
        storeId: STORE,
        space: SPACE,
        transactionId,
        appends: [{ segment, records: [{ payload: new Uint8Array([payload]) }], expectedLastSequence }],
      },
      as(who),
    );
  const entries = async () => {
    const found = [];
    for await (const { batches } of client(StreamService).consumeSegment(
      { storeId: STORE, space: SPACE, segment: SEGMENT },
      as("free"),
    )) {
      for (const { records, transaction } of batches) found.push({ payload: records[0].payload[0], transaction });
    }
    return found;
  };

  it.each([
    ["without an expectation", undefined],
    ["with an expectation", 0n],
  ])("of another principal is another transaction, %s", async (_, expected) => {
    const first = await append("free", 1, expected);
    const second = await append("other", 2, expected === undefined ? undefined : 1n);
    expect(second).toMatchObject({ deduplicated: false, transaction: { id: transactionId, number: 2n } });
    const repeated = await append("free", 1, expected);
    expect(repeated).toMatchObject({ ...first, deduplicated: true });
    const found = await entries();
    expect(found.map(({ payload }) => payload)).toEqual([1, 2]);
    expect(found.map(({ transaction }) => transaction?.id)).toEqual([transactionId, transactionId]);
    const writers = found.map(({ transaction }) => Buffer.from(transaction?.writer ?? []).toString("hex"));
    expect(writers[0]).toHaveLength(16);
    expect(writers[0]).not.toBe(writers[1]);
  });

  it("reveals nothing of the first result if the expectation of another principal is the same", async () => {
    await append("free", 1, 0n);
    expect(await reasonOf(append("other", 2, 0n))).toBe("SEQUENCE_MISMATCH");
    expect(await append("other", 3, undefined, "mine")).toMatchObject({ ranges: [{ segment: "mine" }] });
  });

  it("without a principal is stored as before", async () => {
    const trusted = createClient(StreamService, streamkit.transport());
    const record = { segment: SEGMENT, records: [{ payload: new Uint8Array([1]) }] };
    await trusted.append({ storeId: STORE, space: SPACE, transactionId, appends: [record] });
    expect((await entries()).map(({ transaction }) => transaction?.writer.length)).toEqual([0]);
  });
});

describe("a lease", () => {
  const acquire = (who: string, key = "k") =>
    client(LeaseService).acquireLease({ storeId: STORE, key, holder: "worker" }, as(who));

  it("that is bound cannot be renewed, taken over or given back by others", async () => {
    const { lease } = await acquire("alice");
    const claim = { storeId: STORE, key: "k", holder: "worker", fencingToken: lease?.fencingToken ?? 0n };
    for (const who of ["bob", "free"]) {
      expect(await reasonOf(acquire(who))).toBe("LEASE_HELD");
      expect(await reasonOf(client(LeaseService).renewLease(claim, as(who)))).toBe("LEASE_LOST");
      await client(LeaseService).releaseLease(claim, as(who));
    }
    const renewed = await client(LeaseService).renewLease(claim, as("alice"));
    expect(renewed.lease?.fencingToken).toBe(claim.fencingToken);
    expect((await acquire("alice")).lease?.fencingToken).toBe(claim.fencingToken);
    await client(LeaseService).releaseLease(claim, as("alice"));
    expect(await reasonOf(acquire("bob"))).toBe("ok");
  });

  it("that is not bound belongs to the holder that the request names", async () => {
    const { lease } = await acquire("free");
    expect((await acquire("other")).lease?.fencingToken).toBe(lease?.fencingToken);
  });
});

describe("a cursor", () => {
  const commit = (who: string, offset: bigint) =>
    client(CursorService).commitCursor({ storeId: STORE, name: "c", offsets: { [SPACE]: offset } }, as(who));
  const remove = (who: string) => client(CursorService).deleteCursor({ storeId: STORE, name: "c" }, as(who));

  it("that is bound cannot be moved or deleted by others, and can be read", async () => {
    await commit("alice", 7n);
    for (const who of ["bob", "free"]) {
      expect(await reasonOf(commit(who, 9n))).toBe("PERMISSION_DENIED");
      expect(await reasonOf(remove(who))).toBe("PERMISSION_DENIED");
      const { cursor } = await client(CursorService).getCursor({ storeId: STORE, name: "c" }, as(who));
      expect(cursor?.offsets).toEqual({ [SPACE]: 7n });
    }
    await commit("alice", 8n);
    await remove("alice");
    expect(await reasonOf(commit("bob", 1n))).toBe("ok");
    expect(await reasonOf(commit("alice", 1n))).toBe("PERMISSION_DENIED");
  });

  it("that is not bound stays so when a bound principal moves it", async () => {
    await commit("free", 1n);
    await commit("alice", 2n);
    expect(await reasonOf(commit("other", 3n))).toBe("ok");
  });
});

describe("a worker", () => {
  const worker = { id: "w", metadata: {} };
  const subscribe = (who: string, signal?: AbortSignal) =>
    client(PresenceService)
      .subscribeToWorkers({ storeId: STORE, group: "g", worker }, { ...as(who), ...(signal && { signal }) })
      [Symbol.asyncIterator]();
  const renew = (who: string) =>
    client(PresenceService).renewWorker({ storeId: STORE, group: "g", workerId: "w" }, as(who));

  it("that is bound cannot be replaced or renewed by others", async () => {
    const leave = new AbortController();
    const alice = subscribe("alice", leave.signal);
    await alice.next();
    for (const who of ["bob", "free"]) {
      expect(await reasonOf(subscribe(who).next())).toBe("PERMISSION_DENIED");
      expect(await reasonOf(renew(who))).toBe("PERMISSION_DENIED");
    }
    expect(await reasonOf(renew("alice"))).toBe("ok");
    const again = subscribe("alice", leave.signal);
    await again.next();
    expect(await reasonOf(alice.next())).toBe("NOT_FOUND");
    leave.abort();
    await again.next().catch(() => undefined);
  });

  it("that is not bound can be replaced, as before", async () => {
    const leave = new AbortController();
    const first = subscribe("free", leave.signal);
    await first.next();
    await subscribe("alice", leave.signal).next();
    expect(await reasonOf(first.next())).toBe("NOT_FOUND");
    leave.abort();
  });
});
