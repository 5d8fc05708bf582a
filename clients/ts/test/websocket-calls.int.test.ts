import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@streamkit/protocol";
import { FrameKind } from "@streamkit/protocol/transport";
import { expect, test } from "vitest";
import { createWebSocketTransport, type WebSocketTransportOptions } from "../src/websocket.ts";
import { bytesMethod, decoded, encoded } from "./bytes-methods.ts";
import { echo, type PeerCall, socketPeer } from "./socket-peer.ts";

const { unary, serverStreaming, bidi } = bytesMethod;
const ONE = { value: Uint8Array.of(1) };

async function setUp(answer: (call: PeerCall) => unknown, options: Omit<WebSocketTransportOptions, "baseUrl"> = {}) {
  const peer = await socketPeer(answer);
  const transport = createWebSocketTransport({ ...options, baseUrl: peer.url });
  return {
    peer,
    transport,
    call: async (value: Uint8Array, headers?: HeadersInit) =>
      (await transport.unary(unary, undefined, undefined, headers, { value })).message.value,
    async [Symbol.asyncDispose]() {
      transport.close();
      await peer[Symbol.asyncDispose]();
    },
  };
}

async function* only(value: Uint8Array) {
  yield { value };
}

function failure(promise: Promise<unknown>): Promise<ConnectError> {
  return promise.then(
    () => expect.fail("the call succeeded"),
    (error) => error,
  );
}

test("calls share one socket, and those of one turn share a message", async () => {
  await using at = await setUp(echo);
  expect(at.peer.sockets).toHaveLength(0);
  expect(await at.call(Uint8Array.of(9))).toEqual(Uint8Array.of(9));
  const [socket] = at.peer.sockets;
  const before = socket.messages;
  const values = Array.from({ length: 64 }, (_, i) => Uint8Array.of(i));
  expect(await Promise.all(values.map((value) => at.call(value)))).toEqual(values);
  expect(socket.messages - before).toBe(1);
  expect(at.peer.sockets).toHaveLength(1);
  expect(socket.calls.map(({ request }) => request.path)[0]).toBe("/streamkit.v1.StreamService/Append");
  expect(at.peer.upgrades[0].url).toBe("/streamkit.v1/socket");
});

test("messages of 8 MiB travel both ways beside small ones", async () => {
  await using at = await setUp(echo, { readMaxBytes: 8 * 1_048_576 + 10 });
  const large = new Uint8Array(8 * 1_048_576).fill(7);
  const calls = Array.from({ length: 6 }, (_, i) => at.call(i % 2 === 0 ? large : Uint8Array.of(i)));
  const answers = await Promise.all(calls);
  expect(answers.map(({ length }) => length)).toEqual([large.length, 1, large.length, 1, large.length, 1]);
  expect(Buffer.compare(answers[4], large)).toBe(0);
});

test("headers of the socket and of a call reach the server, and change while the socket lives", async () => {
  let token = "first";
  await using at = await setUp(echo, {
    headers: async () => ({ authorization: `Bearer ${token}`, "x-app": "a", "x-two": "socket" }),
  });
  await at.call(Uint8Array.of(1), { "x-two": "call" });
  token = "second";
  await at.transport.refresh();
  await at.call(Uint8Array.of(2));
  const seen = at.peer.sockets[0].calls.map(({ headers }) => Object.fromEntries(headers));
  expect(seen).toEqual([
    { authorization: "Bearer first", "x-app": "a", "x-two": "call" },
    { authorization: "Bearer second", "x-app": "a", "x-two": "socket" },
  ]);
  expect(at.peer.sockets).toHaveLength(1);
});

test("a call has its own headers, also if several calls have one object that changes", async () => {
  await using at = await setUp(echo);
  const changing = Object.freeze(new Headers({ "x-turn": "1" }));
  await at.call(Uint8Array.of(1), changing);
  changing.set("x-turn", "2");
  await at.call(Uint8Array.of(2), changing);
  const steady = Object.freeze({ "x-turn": "3" });
  for (let turn = 0; turn < 2; turn++) await at.call(Uint8Array.of(3), steady);
  await at.call(Uint8Array.of(4));
  expect(at.peer.sockets[0].calls.map(({ headers }) => headers.get("x-turn"))).toEqual(["1", "2", "3", "3", null]);
});

test("headers that are too large fail their call alone", async () => {
  await using at = await setUp(echo);
  const error = await failure(at.call(Uint8Array.of(1), { "x-large": "x".repeat(20_000) }));
  expect(error).toMatchObject({ reason: "INVALID_FIELD" });
  expect(error.message).toContain("16384 bytes");
  expect(await at.call(Uint8Array.of(2))).toEqual(Uint8Array.of(2));
});

test("interceptors see calls and streams, set headers, and change messages", async () => {
  const seen: string[] = [];
  const interceptor: Interceptor = (next) => async (request) => {
    seen.push(new URL(request.url).pathname);
    request.header.set("x-by", "interceptor");
    const response = await next(request);
    seen.push(response.header.get("x-answer") ?? "none");
    return response;
  };
  await using at = await setUp(
    (call) => {
      call.respond({ "x-answer": call.headers.get("x-by") ?? "" });
      call.send(encoded(Uint8Array.of(5)));
      call.result({ trailers: [{ name: "x-end", value: "yes" }] });
    },
    { interceptors: [interceptor] },
  );
  const answer = await at.transport.unary(unary, undefined, 10_000, undefined, ONE);
  expect([answer.message.value, answer.trailer.get("x-end")]).toEqual([Uint8Array.of(5), "yes"]);
  const stream = await at.transport.stream(serverStreaming, undefined, undefined, undefined, only(ONE.value));
  const values: Uint8Array[] = [];
  for await (const { value } of stream.message) values.push(value);
  expect([values, stream.trailer.get("x-end")]).toEqual([[Uint8Array.of(5)], "yes"]);
  expect(seen).toEqual([
    "/streamkit.v1.StreamService/Append",
    "interceptor",
    "/streamkit.v1.StreamService/ConsumeSegment",
    "interceptor",
  ]);
});

test("a failure has code, text, details and headers", async () => {
  const value = toBinary(ErrorDetailSchema, create(ErrorDetailSchema, { segment: "a" }));
  await using at = await setUp((call) =>
    call.result({
      status: { code: Code.FailedPrecondition, message: "no", details: [{ type: "streamkit.v1.ErrorDetail", value }] },
      trailers: [{ name: "x-end", value: "yes" }],
    }),
  );
  for (const call of [
    at.call(Uint8Array.of(1)),
    at.transport.stream(serverStreaming, undefined, undefined, undefined, only(ONE.value)),
  ]) {
    const error = await failure(call);
    expect([error.code, error.rawMessage, error.metadata.get("x-end")]).toEqual([Code.FailedPrecondition, "no", "yes"]);
    expect(error.findDetails(ErrorDetailSchema)[0].segment).toBe("a");
  }
});

test.each([
  ["without a message", (call: PeerCall) => call.result()],
  ["that is no protobuf", (call: PeerCall) => call.result({ message: Uint8Array.of(0xff) })],
  [
    "with two messages",
    (call: PeerCall) => {
      for (let i = 0; i < 2; i++) call.send(encoded(Uint8Array.of(i)));
    },
  ],
])("an answer %s fails its call alone", async (_, answer) => {
  let calls = 0;
  await using at = await setUp((call) => (calls++ === 0 ? answer(call) : echo(call)));
  expect(await failure(at.call(Uint8Array.of(1)))).toMatchObject({ code: Code.Internal });
  await at.call(Uint8Array.of(2));
  expect(at.peer.sockets).toHaveLength(1);
});

test("a deadline ends a call on both sides", async () => {
  await using at = await setUp(() => {});
  // On a busy machine the deadline may be over before the socket opens; then there is no call to reset.
  await at.transport.connect();
  const error = await failure(at.transport.unary(unary, undefined, 500, undefined, ONE));
  expect(error.code).toBe(Code.DeadlineExceeded);
  const [call] = at.peer.sockets[0].calls;
  await call.reset;
  expect(Number(call.request.timeoutMillis)).toBeGreaterThan(0);
  expect(Number(call.request.timeoutMillis)).toBeLessThanOrEqual(500);
  expect(await failure(at.transport.unary(unary, undefined, 0, undefined, ONE))).toMatchObject({ code: 4 });
});

test("later deadlines end calls too, each at its time", async () => {
  await using at = await setUp(() => {});
  const ends: number[] = [];
  const calls = [80, 20, 50].map((millis) =>
    failure(at.transport.unary(unary, undefined, millis, undefined, ONE)).then(() => ends.push(millis)),
  );
  await Promise.all(calls);
  expect(ends).toEqual([20, 50, 80]);
});

test("a signal ends calls before they begin, and while they wait for a socket", async () => {
  await using at = await setUp(() => {});
  const early = failure(at.transport.unary(unary, AbortSignal.abort(), undefined, undefined, ONE));
  expect(await early).toMatchObject({ code: Code.Canceled });
  at.peer.isSilent = true;
  const waiting = new AbortController();
  const call = failure(at.transport.unary(unary, waiting.signal, undefined, undefined, ONE));
  await expect.poll(() => at.peer.upgrades.length).toBe(1);
  waiting.abort(new ConnectError("enough", Code.Aborted));
  expect(await call).toMatchObject({ code: Code.Aborted, rawMessage: "enough" });
});

test("a signal resets a call that runs, and its stream", async () => {
  await using at = await setUp((call) => call.send(encoded(Uint8Array.of(1))));
  const controller = new AbortController();
  const stream = await at.transport.stream(serverStreaming, controller.signal, undefined, undefined, only(ONE.value));
  const messages = stream.message[Symbol.asyncIterator]();
  await messages.next();
  const next = failure(messages.next());
  controller.abort();
  expect(await next).toMatchObject({ code: Code.Canceled });
  expect(await messages.next()).toMatchObject({ done: true });
  await at.peer.sockets[0].calls[0].reset;
});

test("leaving a stream early resets its call", async () => {
  await using at = await setUp((call) => call.send(encoded(Uint8Array.of(1))));
  const stream = await at.transport.stream(serverStreaming, undefined, undefined, undefined, only(ONE.value));
  for await (const { value } of stream.message) {
    expect(value).toEqual(Uint8Array.of(1));
    break;
  }
  await at.peer.sockets[0].calls[0].reset;
});

test("a reader that stands still stops the server, and no other call", async () => {
  const count = 3_000;
  await using at = await setUp((call) => {
    if (call.request.path.endsWith("Append")) return echo(call);
    for (let i = 0; i < count; i++) call.send(encoded(new Uint8Array(1_000).fill(i)));
    return call.result();
  });
  const stream = await at.transport.stream(serverStreaming, undefined, undefined, undefined, only(ONE.value));
  const messages = stream.message[Symbol.asyncIterator]();
  await messages.next();
  const [slow] = at.peer.sockets[0].calls;
  for (let i = 0; i < 20; i++) await at.call(Uint8Array.of(i));
  // The credit of a call, and no more, is on this side.
  expect(at.peer.sockets[0].waiting(slow.id)).toBeGreaterThan(count - 400);
  let read = 1;
  for (let result = await messages.next(); !result.done; result = await messages.next()) {
    expect(result.value.value).toEqual(new Uint8Array(1_000).fill(read++));
  }
  expect(read).toBe(count);
});

test("a server that stands still stops the source of a call", async () => {
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const received: number[] = [];
  await using at = await setUp(async (call) => {
    await held;
    for (let i = 0; i < 100; i++) received.push(decoded(await call.take())[0]);
    await call.halfClosed;
    call.result();
  });
  let taken = 0;
  async function* source() {
    for (; taken < 100; taken++) yield { value: new Uint8Array(100_000).fill(taken) };
  }
  const call = at.transport.stream(bidi, undefined, undefined, undefined, source());
  await expect.poll(() => taken).toBeGreaterThanOrEqual(3);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBeLessThan(8);
  release?.();
  for await (const _ of (await call).message);
  expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("both sides of a call talk at once", async () => {
  await using at = await setUp(async (call) => {
    for (let i = 0; i < 5; i++) call.send(await call.take());
    await call.halfClosed;
    call.result();
  });
  const answers: number[] = [];
  let wake: (() => void) | undefined;
  async function* source() {
    for (let i = 0; i < 5; i++) {
      yield { value: Uint8Array.of(i) };
      while (answers.length <= i) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  const stream = await at.transport.stream(bidi, undefined, undefined, undefined, source());
  for await (const { value } of stream.message) {
    answers.push(value[0]);
    wake?.();
  }
  expect(answers).toEqual([0, 1, 2, 3, 4]);
});

test("a source that throws ends its call, and a call that ends closes its source", async () => {
  await using at = await setUp((call) => {
    if (call.socket.calls.length > 1) call.result({ status: { code: Code.NotFound, message: "no" } });
  });
  // biome-ignore lint/correctness/useYield: it fails before it has anything.
  async function* broken(): AsyncGenerator<{ value: Uint8Array }> {
    throw new Error("no more");
  }
  const first = failure(at.transport.stream(bidi, undefined, undefined, undefined, broken()));
  expect((await first).rawMessage).toBe("no more");
  await expect.poll(() => at.peer.sockets[0]?.calls.length).toBe(1);
  await at.peer.sockets[0].calls[0].reset;
  const closed = Promise.withResolvers<void>();
  async function* endless() {
    try {
      for (;;) yield { value: await new Promise<Uint8Array>((resolve) => setImmediate(() => resolve(ONE.value))) };
    } finally {
      closed.resolve();
    }
  }
  const second = failure(at.transport.stream(bidi, undefined, undefined, undefined, endless()));
  expect(await second).toMatchObject({ code: Code.NotFound });
  await closed.promise;
});

test("1,000 streams on one socket all get their messages", async () => {
  await using at = await setUp((call) => {
    call.send(encoded(new Uint8Array(2_000).fill(call.id)));
    call.result();
  });
  const read = async () => {
    const stream = await at.transport.stream(serverStreaming, undefined, undefined, undefined, only(ONE.value));
    let bytes = 0;
    for await (const { value } of stream.message) bytes += value.length;
    return bytes;
  };
  const all = await Promise.all(Array.from({ length: 1_000 }, read));
  expect(all).toEqual(all.map(() => 2_000));
  expect(at.peer.sockets).toHaveLength(1);
  expect(at.peer.sockets[0].frames.filter((kind) => kind === FrameKind.CREDIT).length).toBeLessThan(100);
});
