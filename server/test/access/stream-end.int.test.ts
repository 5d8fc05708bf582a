/** Streams of a principal: they end with its credentials, and every message of a session is authorized. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, PresenceService, StreamService } from "@streamkit/protocol";
import { v1 } from "@streamkit/protocol/reflection";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StreamEnd } from "../../src/access/stream-end.ts";
import { createStreamkit, Grants, memoryStorage, type Principal, type Streamkit } from "../../src/index.ts";
import { WIRE_TRANSPORTS } from "../transports.ts";
import { requestOf, SEGMENT, SPACE, STORE } from "./calls.ts";

let principal: Principal;
let streamkit: Streamkit;
let url: string;
beforeEach(async () => {
  principal = { subject: "alice", grants: Grants.all };
  streamkit = createStreamkit({ storage: memoryStorage(), authenticate: () => principal, onEvent: () => undefined });
  url = (await streamkit.listen({ port: 0 })).url;
});
afterEach(() => streamkit.close());

const TRANSPORTS = [
  ...WIRE_TRANSPORTS.map(({ name, bidi, make }) => ({ name, bidi, make: () => make(url) })),
  { name: "in process", bidi: true, make: () => streamkit.transport({ authenticate: true }) },
];

const outcomeOf = (error: unknown) => {
  const { code, message } = ConnectError.from(error);
  const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
  return { code: Code[code], reason: ErrorReason[detail?.reason ?? 0], retryable: detail?.retryable, message };
};
const EXPIRED = { code: "Unauthenticated", reason: "TOKEN_EXPIRED", retryable: false };

/** Follows a segment, calls `then` after the first entry, and resolves to the failure. */
async function follow(transport: Transport, then: () => void) {
  const client = createClient(StreamService, transport);
  let entries = 0;
  try {
    const request = { storeId: STORE, space: SPACE, segment: SEGMENT, follow: true };
    for await (const { batches } of client.consumeSegment(request)) {
      entries += batches.length;
      if (entries === 1) then();
    }
    return "ended without an error";
  } catch (error) {
    return outcomeOf(error);
  }
}

beforeEach(async () => {
  const trusted = createClient(StreamService, streamkit.transport());
  await trusted.append(requestOf(StreamService.method.append) as never);
});

describe.each(TRANSPORTS)("$name", ({ make }) => {
  it("a stream ends when its credentials are revoked", async () => {
    const revocation = new AbortController();
    principal = { ...principal, revoked: revocation.signal };
    expect(await follow(make(), () => revocation.abort())).toMatchObject(EXPIRED);
  });

  it("a stream ends when its credentials expire", async () => {
    principal = { ...principal, expiresAt: Date.now() + 700 };
    expect(await follow(make(), () => undefined)).toMatchObject(EXPIRED);
  });
});

describe.each(TRANSPORTS.filter(({ bidi }) => bidi))("$name", ({ make }) => {
  it("a session ends when its credentials are revoked, and its appends stay", async () => {
    const revocation = new AbortController();
    principal = { ...principal, revoked: revocation.signal };
    const client = createClient(StreamService, make());
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    const requests = (async function* () {
      yield requestOf(StreamService.method.produce) as never;
      await left;
    })();
    const results: bigint[] = [];
    const ended = (async () => {
      for await (const { ranges } of client.produce(requests)) {
        results.push(ranges[0].lastSequence);
        revocation.abort();
      }
    })();
    expect(outcomeOf(await ended.catch((error) => error))).toMatchObject(EXPIRED);
    expect(results).toEqual([2n]);
    leave();
  });

  it("each message of a session is authorized", async () => {
    const grants = Grants.of([{ store: STORE, space: { exact: SPACE } }]);
    principal = { ...principal, grants };
    const client = createClient(StreamService, make());
    const message = requestOf(StreamService.method.produce);
    const results: bigint[] = [];
    const send = async (second: object) => {
      results.length = 0;
      const requests = [message, second, message].map((each) => each as never);
      const stream = client.produce(
        (async function* () {
          yield* requests;
        })(),
      );
      for await (const { ranges } of stream) results.push(ranges[0].lastSequence);
    };
    const foreign = outcomeOf(await send({ ...message, space: "x" }).catch((error) => error));
    expect(foreign).toMatchObject({ code: "PermissionDenied", reason: "PERMISSION_DENIED" });
    expect(results).toEqual([2n]);
    await send({ ...message, storeId: "", space: "" });
    expect(results).toEqual([3n, 4n, 5n]);
    const other = { ...message, storeId: "11111111-2222-4333-8444-555555555555" };
    expect(outcomeOf(await send(other).catch((error) => error))).toMatchObject({ code: "PermissionDenied" });
    expect(results).toEqual([6n]);
    const { status } = await createClient(StreamService, streamkit.transport()).getSpaceStatus({
      storeId: STORE,
      space: "x",
    });
    expect(status?.lastOffset).toBe(0n);
  });
});

it("subscriptions and reflection end too", async () => {
  const revocation = new AbortController();
  principal = { ...principal, revoked: revocation.signal };
  const transport = streamkit.transport({ authenticate: true });
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  const questions = (async function* () {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
    await left;
  })();
  const streams = [
    createClient(StreamService, transport).subscribeToSegmentStatus({ storeId: STORE, space: SPACE }),
    createClient(PresenceService, transport).subscribeToWorkers({ storeId: STORE, group: "pickers" }),
    createClient(v1.ServerReflection, transport).serverReflectionInfo(questions),
  ];
  const failures = streams.map(async (stream) => {
    let first = true;
    for await (const _ of stream) {
      if (first) begun++;
      first = false;
      if (begun === streams.length) revocation.abort();
    }
  });
  let begun = 0;
  for (const failure of failures) expect(outcomeOf(await failure.catch((error) => error))).toMatchObject(EXPIRED);
  leave();
});

it("a read that waits ends with its credentials", async () => {
  principal = { ...principal, expiresAt: Date.now() + 500 };
  const client = createClient(StreamService, streamkit.transport({ authenticate: true }));
  const wait = { seconds: 60n };
  const read = client.readSegment({ storeId: STORE, space: SPACE, segment: "nothing", wait });
  expect(outcomeOf(await read.catch((error) => error))).toMatchObject(EXPIRED);
});

describe("the end of a stream", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("leaves no timer and no listener behind", () => {
    const revocation = new AbortController();
    const remove = vi.spyOn(revocation.signal, "removeEventListener");
    const end = new StreamEnd({ ...principal, expiresAt: Date.now() + 1_000, revoked: revocation.signal });
    expect(vi.getTimerCount()).toBe(1);
    end[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
    expect(remove).toHaveBeenCalled();
  });

  it("waits longer than a timer can", () => {
    const days = 86_400_000;
    const end = new StreamEnd({ ...principal, expiresAt: Date.now() + 100 * days });
    vi.advanceTimersByTime(99 * days);
    expect(end.signal.aborted).toBe(false);
    vi.advanceTimersByTime(days);
    expect(end.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
