/** Exchanges about the opening, calls, and their ends. */
import { fromBinary } from "@bufbuild/protobuf";
import { type AppendResponse, AppendResponseSchema, ProduceRequestSchema } from "@streamkit/protocol";
import { encodeFrame, FrameKind, RequestSchema } from "@streamkit/protocol/transport";
import { check, checkSame, type Exchange } from "./exchange.ts";
import { FrameSocket, framesOf, NO_PATH } from "./frame-socket.ts";
import { appendMessage, checkReason, checkServes, encoded, pathOf, requestMessage } from "./payloads.ts";

const NOTHING = new Uint8Array();
const MANY_CALLS = 12_000;
const CALLS_OF_ROUND = 500;

/** The server selects the subprotocol and no extension, and serves. */
export async function opens(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  checkSame("the opening", socket.negotiated, { protocol: "streamkit.v1", extensions: "" });
  await checkServes(socket);
}

/** PING comes back as PONG with its payload; a PONG that nobody asked for has no effect. */
export async function pings(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const payload = Uint8Array.from({ length: 125 }, (_, index) => index);
  socket.send(encodeFrame(FrameKind.PING, 0, payload), encodeFrame(FrameKind.PONG, 0, Uint8Array.of(9)));
  socket.send(encodeFrame(FrameKind.PING, 0, NOTHING));
  await socket.until("both pings are answered", () => socket.received.pongs.length === 2);
  checkSame("the payloads of PONG", socket.received.pongs, [Buffer.from(payload).toString("hex"), ""]);
  await checkServes(socket);
}

/** More calls one after the other than a socket may have open at once. */
export async function manyCalls(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const { calls } = socket.received;
  while (socket.latest < MANY_CALLS) {
    const round = Array.from({ length: CALLS_OF_ROUND }, () => socket.request({ path: NO_PATH, message: NOTHING }));
    await socket.until(`calls up to ${socket.latest} end`, () =>
      round.every((id) => calls.get(id)?.result !== undefined),
    );
  }
  await checkServes(socket);
}

/** The message of a unary call, in each of the ways in which a client may send it, with and without HALF_CLOSE. */
export async function waysToSend(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const path = pathOf("Append");
  const halfClose = (call: number): Uint8Array => encodeFrame(FrameKind.HALF_CLOSE, call, NOTHING);
  const small = appendMessage(exchange, "ways", 10);
  const first = socket.request({ path, message: small });
  const second = socket.request({ path });
  socket.send(encodeFrame(FrameKind.MESSAGE, second, small), halfClose(second));
  const third = socket.request({ path });
  socket.send(encodeFrame(FrameKind.MESSAGE, third, small));
  const fourth = socket.request({ path });
  socket.sendMessage(fourth, appendMessage(exchange, "ways", 200_000));
  const fifth = socket.request({ path });
  const parts = framesOf(fifth, appendMessage(exchange, "ways", 100_000));
  socket.send(...parts, halfClose(fifth));
  for (const call of [first, second, third, fourth, fifth]) await appended(socket, call);
  const id = socket.request({ path: pathOf("Peek"), message: requestMessage("Peek", { segment: "ways" }, exchange) });
  await checkReason(socket, id, "OK");
  await checkServes(socket);
}

/** Returns the result of an append that must succeed, in RESULT or in a message before it. */
async function appended(socket: FrameSocket, call: number): Promise<AppendResponse> {
  await checkReason(socket, call, "OK");
  const { messages, result } = socket.call(call);
  const found = result?.message === undefined ? messages : [...messages, result.message];
  checkSame(`the messages of the unary call ${call}`, found.length, 1);
  const response = fromBinary(AppendResponseSchema, found[0]!);
  check(response.ranges.length === 1, `the answer of call ${call} is no AppendResponse`);
  return response;
}

/** A Produce session: one message for each request, in MESSAGE or FIRST and NEXT; HALF_CLOSE brings RESULT. */
export async function session(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const { store: storeId, space } = exchange;
  const call = socket.request({ path: pathOf("Produce") });
  const requests = 3;
  for (let index = 0; index < requests; index++) {
    const appends = [{ segment: "session", records: [{ payload: new Uint8Array(index === 1 ? 150_000 : 10) }] }];
    socket.sendMessage(call, encoded(ProduceRequestSchema, { storeId, space, appends }));
    await socket.until(`result ${index + 1} of Produce`, () => socket.call(call).messages.length === index + 1);
  }
  check(socket.call(call).result === undefined, "the server ended a session that the client did not end");
  socket.send(encodeFrame(FrameKind.HALF_CLOSE, call, NOTHING));
  await checkReason(socket, call, "OK");
  checkSame("the messages of Produce", socket.call(call).messages.length, requests);
  check(socket.call(call).result?.message === undefined, "the RESULT of a streamed response has a message");
}

/** Several frames of one WebSocket message take effect in their order. */
export async function severalFrames(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const calls = Array.from({ length: 20 }, (_, index) => index + 1);
  const message = appendMessage(exchange, "several", 10);
  for (const call of calls) socket.began(call);
  const request = encoded(RequestSchema, { path: pathOf("Append") });
  socket.send(
    ...calls.flatMap((call) => [
      encodeFrame(FrameKind.REQUEST, call, request),
      encodeFrame(FrameKind.MESSAGE, call, message),
    ]),
  );
  for (const call of calls) await appended(socket, call);
}

/** After RESET the call is silent, and the socket serves; a RESET for an ended call has no effect. */
export async function resets(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const segment = "resets";
  const wait = requestMessage("ReadSegment", { segment, wait: "60s" }, exchange);
  const follow = requestMessage("ConsumeSegment", { segment, follow: true }, exchange);
  const waiting = socket.request({ path: pathOf("ReadSegment"), message: wait });
  const following = socket.request({ path: pathOf("ConsumeSegment"), message: follow });
  const producing = socket.request({ path: pathOf("Produce") });
  await socket.settle();
  const calls = [waiting, following, producing];
  for (const call of calls) socket.reset(call);
  await socket.settle();
  const before = calls.map((call) => socket.call(call).messages.length);
  await appended(socket, socket.request({ path: pathOf("Append"), message: appendMessage(exchange, segment, 10) }));
  await socket.settle();
  for (const [index, call] of calls.entries()) {
    check(socket.call(call).result === undefined, `the server answered call ${call} behind RESET`);
    check(!socket.call(call).reset, `the server answered the RESET of call ${call} with RESET`);
    checkSame(`the messages of call ${call} behind RESET`, socket.call(call).messages.length, before[index]);
  }
  for (const call of calls) socket.reset(call);
  await checkServes(socket);
}

/** `timeout_millis` ends a call that waits. */
export async function timeouts(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const message = requestMessage("ConsumeSegment", { segment: "timeouts", follow: true }, exchange);
  const call = socket.request({ path: pathOf("ConsumeSegment"), message, timeoutMillis: 200n });
  const { status } = await socket.result(call);
  checkSame("the code of a call that is late", status?.code, 4);
  await checkServes(socket);
}

/** GOAWAY: the server finishes the calls that it has, answers later ones with SHUTTING_DOWN, and closes with 1001. */
export async function goesAway(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const open = socket.request({ path: pathOf("GetServerInfo") });
  await checkServes(socket);
  const restarted = exchange.act("restart");
  try {
    await socket.until("GOAWAY", () => socket.received.goneAway);
    await checkReason(socket, socket.request({ path: pathOf("GetServerInfo"), message: NOTHING }), "SHUTTING_DOWN");
    check(socket.call(open).result === undefined, "the server ended a call that it could finish");
    socket.sendMessage(open, NOTHING);
    await checkReason(socket, open, "OK");
    checkSame("the close code", await socket.closed(), 1001);
  } finally {
    await restarted;
  }
}
