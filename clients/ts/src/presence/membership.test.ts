/** Keeping the registration of a worker, with time moved by hand and a scripted server. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import {
  ErrorDetailSchema,
  ErrorReason,
  ListWorkersResponseSchema,
  PresenceService,
  RenewWorkerResponseSchema,
  SubscribeToWorkersResponseSchema,
} from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { holdTime, pass } from "../../test/held-time.ts";
import { Contact } from "../transport/contact.ts";
import { opaquePeer } from "../transport/opaque-peer.ts";
import { Streams } from "../transport/streams.ts";
import { type JoinOptions, Presence } from "./presence.ts";

const INTERVAL = 10_000;

function notFound(): ConnectError {
  const details = [{ desc: ErrorDetailSchema, value: { reason: ErrorReason.NOT_FOUND } }];
  return new ConnectError("no", Code.NotFound, undefined, details);
}

/** The number of the registration of this time. */
function numberOf(at: number): bigint {
  return BigInt(Math.round(at * 1_000)) + 1n;
}

/** A server that knows one worker. A test can let it leave renewals unanswered. */
function server() {
  const state = {
    /** Decides about the n-th renewal. */
    answers: (_renewal: number): boolean => true,
    renewals: 0,
    registrations: 0,
    lists: 0,
    /** Time at which the present owner of the id was registered; 0 if there is none. */
    listed: 0,
    /** Ends the stream of the worker, as for another registration. */
    end: (): void => {},
  };
  let renewedAt: number | undefined;
  const worker = (at: number) => ({ id: "w", joinTime: timestampFromMs(at), registration: numberOf(at) });
  const transport = createRouterTransport((router) => {
    router.service(PresenceService, {
      async *subscribeToWorkers(_, { signal }) {
        state.registrations += 1;
        renewedAt = undefined;
        const joined = performance.now();
        state.listed = joined;
        let ended = false;
        state.end = () => {
          ended = true;
        };
        for (let second = 0; !signal.aborted; second++) {
          if (second % 10 === 0) {
            const state = { workerCount: 1, digest: numberOf(joined) };
            const changes = { snapshotStart: true, workers: [worker(joined)], state };
            const event =
              second === 0
                ? { case: "changes" as const, value: changes }
                : { case: "heartbeat" as const, value: state };
            yield create(SubscribeToWorkersResponseSchema, { event });
          }
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          if (renewedAt !== undefined && performance.now() - renewedAt > 3 * INTERVAL) {
            ended = true;
            if (state.listed === joined) state.listed = 0;
          }
          if (ended) throw notFound();
        }
      },
      async renewWorker() {
        if (!state.answers(++state.renewals)) await new Promise(() => {});
        renewedAt = performance.now();
        return create(RenewWorkerResponseSchema);
      },
      listWorkers() {
        state.lists += 1;
        return create(ListWorkersResponseSchema, { workers: state.listed === 0 ? [] : [worker(state.listed)] });
      },
    });
  });
  const settings = { transport, timeoutMillis: 30_000, contact: new Contact(undefined) };
  const context = {
    ...settings,
    retry: {},
    onRetry: undefined,
    peer: opaquePeer(settings),
    duplex: () => true,
    streams: new Streams("auto", 1_000),
  };
  const join = (options: Partial<JoinOptions> = {}) =>
    new Presence(context, "store", "g").join({ id: "w", interval: INTERVAL, ...options });
  return { state, join };
}

holdTime();

describe("a worker", () => {
  it("is not lost to one renewal without an answer", async () => {
    const { state, join } = server();
    state.answers = (renewal) => renewal !== 2;
    const membership = join();
    await pass(12 * INTERVAL);
    expect(membership.state.name).toBe("live");
    expect(state.registrations).toBe(1);
    expect(state.renewals).toBeGreaterThanOrEqual(11);
    await membership.close();
  });

  it("registers again when its renewals were missed, and it is alive", async () => {
    const { state, join } = server();
    state.answers = (renewal) => renewal === 1 || state.registrations > 1;
    const membership = join();
    await pass(4 * INTERVAL);
    expect(state.registrations).toBe(1);
    await pass(4 * INTERVAL);
    expect(membership.state.name).toBe("live");
    expect(state.registrations).toBe(2);
    await membership.close();
  });

  it("does not take its id back from who has it when its renewals were missed", async () => {
    const { state, join } = server();
    state.answers = (renewal) => renewal === 1;
    const membership = join();
    await pass(2 * INTERVAL);
    state.listed = performance.now();
    await pass(4 * INTERVAL);
    await expect(membership.ended).rejects.toMatchObject({ reason: "NOT_FOUND" });
    expect(membership.state.name).toBe("ended");
    expect(state.registrations).toBe(1);
  });

  it("ends at once when it is replaced while its renewals arrive", async () => {
    const { state, join } = server();
    const membership = join();
    await pass(4.5 * INTERVAL);
    state.end();
    await pass(1_000);
    await expect(membership.ended).rejects.toMatchObject({ reason: "NOT_FOUND" });
    expect(membership.state.name).toBe("ended");
    expect([state.registrations, state.lists]).toEqual([1, 0]);
  });

  it("fails when its callback throws, and says so", async () => {
    const { join } = server();
    const bug = new Error("bug of the caller");
    const membership = join({
      onChange: () => {
        throw bug;
      },
    });
    await membership.joined;
    await expect(membership.ended).rejects.toMatchObject({ reason: "UNKNOWN", cause: bug });
    expect(membership.state).toMatchObject({ name: "ended", reason: { cause: bug } });
  });

  it("has not joined when it was closed, or its signal fired, before it was registered", async () => {
    const { join } = server();
    const closed = join();
    const closing = closed.close();
    const aborted = join({ signal: AbortSignal.abort() });
    await expect(closed.joined).rejects.toMatchObject({ reason: "CANCELED" });
    await expect(aborted.joined).rejects.toMatchObject({ reason: "CANCELED" });
    await Promise.all([closing, closed.ended, aborted.ended]);
    expect([closed.state.name, aborted.state.name]).toEqual(["ended", "ended"]);
  });

  it("stays joined when it is closed later", async () => {
    const { join } = server();
    const membership = join();
    await membership.joined;
    await membership.close();
    await membership.joined;
  });
});
