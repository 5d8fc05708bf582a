/** Writes under a lease that is lost before the connection is there. */
import { getEventListeners } from "node:events";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { AppendResponseSchema, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { ModelService } from "../../test/model-service.ts";
import { bytes } from "../codec.ts";
import type { ClientContext } from "../context.ts";
import { StreamkitError } from "../errors/error.ts";
import { StoreHandle } from "../store.ts";
import { Contact } from "../transport/contact.ts";
import { opaquePeer } from "../transport/opaque-peer.ts";
import type { Peer } from "../transport/peer.ts";
import { Streams } from "../transport/streams.ts";
import { fenced } from "./fence.ts";

/** A lease that a test can lose. */
function lease() {
  const lost = new AbortController();
  const fence = {
    token: 7n,
    check: () => {
      lost.signal.throwIfAborted();
      return lost.signal;
    },
  };
  return {
    fence,
    lost: lost.signal,
    lose: () => lost.abort(new StreamkitError("LEASE_LOST", "failed_precondition", "")),
  };
}

/** A client whose connection is there when `connected` resolves. It sends no call that was canceled before. */
function client(peerOf: (peer: Peer, connect: (signal: AbortSignal | undefined) => Promise<void>) => Partial<Peer>) {
  const model = new ModelService();
  const settings = {
    transport: createRouterTransport(model.routes),
    timeoutMillis: 30_000,
    contact: new Contact(undefined),
  };
  const waiting = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<void>();
  const connect = async (signal: AbortSignal | undefined) => {
    waiting.resolve();
    await connected.promise;
    signal?.throwIfAborted();
  };
  const plain = opaquePeer(settings);
  const peer: Peer = { ...plain, ...peerOf(plain, connect) };
  const context: ClientContext = {
    ...settings,
    retry: { initialDelayMillis: 0 },
    onRetry: undefined,
    peer,
    duplex: () => true,
    streams: new Streams("auto", settings.timeoutMillis),
  };
  return { model, context, waiting: waiting.promise, connect: connected.resolve };
}

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const spaceOf = (context: ClientContext) => new StoreHandle(context, STORE, bytes).space("s");

async function settle(): Promise<void> {
  for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
}

describe("what is written under a lease", () => {
  it("does not leave once the lease is lost, if it waits for a connection by then", async () => {
    const { fence, lose } = lease();
    const { model, context, waiting, connect } = client((peer, connecting) => ({
      async append(transaction, signal) {
        await connecting(signal);
        return peer.append(transaction, signal);
      },
    }));
    const append = spaceOf(fenced(context, fence)).segment("a").publish(new Uint8Array(1));
    await waiting;
    lose();
    await expect(append).rejects.toMatchObject({ reason: "LEASE_LOST" });
    connect();
    await settle();
    expect(model.arrivals).toEqual([]);
  });

  it("does not leave in a session either", async () => {
    const { fence, lose } = lease();
    const { model, context, waiting, connect } = client((peer, connecting) => ({
      async *produce(transactions, signal) {
        await connecting(signal);
        yield* peer.produce(transactions, signal);
      },
    }));
    const session = spaceOf(fenced(context, fence)).session();
    const append = session.append([{ segment: "a", records: [new Uint8Array(1)] }]);
    await waiting;
    lose();
    await expect(append).rejects.toMatchObject({ reason: "LEASE_LOST" });
    connect();
    await session.close();
    await settle();
    expect(model.arrivals).toEqual([]);
  });

  it("says what the server says of it", async () => {
    const { fence } = lease();
    const details = [{ desc: ErrorDetailSchema, value: { reason: ErrorReason.FENCED } }];
    const { context } = client(() => ({
      append: () => Promise.reject(new ConnectError("no", Code.FailedPrecondition, undefined, details)),
    }));
    const append = spaceOf(fenced(context, fence)).segment("a").publish(new Uint8Array(1));
    await expect(append).rejects.toMatchObject({ reason: "FENCED" });
  });

  it("is ended by the caller's signal, too", async () => {
    const { fence } = lease();
    const stopping = new AbortController();
    let told: boolean | undefined;
    const { context } = client(() => ({
      append: (_, signal) => {
        stopping.abort();
        told = signal?.aborted;
        return Promise.reject(new ConnectError("ended", Code.Canceled));
      },
    }));
    const options = { signal: stopping.signal };
    const append = spaceOf(fenced(context, fence)).segment("a").publish(new Uint8Array(1), options);
    await expect(append).rejects.toMatchObject({ reason: "CANCELED" });
    expect(told).toBe(true);
  });

  it("leaves nothing with the signals that outlive it", async () => {
    const { fence, lost } = lease();
    const lifetime = new AbortController();
    const { context } = client(() => ({ append: async () => create(AppendResponseSchema) }));
    const peer = fenced(context, fence).peer;
    const transaction = { storeId: STORE, space: "s", transactionId: crypto.randomUUID(), appends: [] };
    for (let i = 0; i < 3; i++) await peer.append(transaction, lifetime.signal);
    const session = spaceOf(fenced(client(() => ({})).context, fence)).session();
    await session.append([{ segment: "a", records: [new Uint8Array(1)] }]);
    await session.close();
    await settle();
    expect([lost, lifetime.signal].map((signal) => getEventListeners(signal, "abort").length)).toEqual([0, 0]);
  });
});
