/** Exchanges about flow control. */

import { ProduceRequestSchema } from "@streamkit/protocol";
import { encodeFrame, FrameKind } from "@streamkit/protocol/transport";
import { check, checkSame, type Exchange } from "./exchange.ts";
import { FrameSocket, framesOf } from "./frame-socket.ts";
import { appendMessage, checkReason, checkServes, encoded, pathOf, requestMessage } from "./payloads.ts";
import { costOf } from "./received.ts";

/** Four transactions of 900,000 bytes: more than one response may hold, and more than all credit of a socket. */
const APPENDS = 4;
const APPEND_BYTES = 900_000;
const SEGMENT = "bulk";

/** Writes the entries, over a socket of their own. */
async function fill(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  for (let count = 0; count < APPENDS; count++) {
    const call = socket.request({ path: pathOf("Append") });
    socket.sendMessage(call, appendMessage(exchange, SEGMENT, APPEND_BYTES));
    await checkReason(socket, call, "OK");
    const cost = count * costOf(APPEND_BYTES);
    await socket.until("credit for the message of an append", () => (socket.received.given.get(0) ?? 0) >= cost);
  }
}

function beginRead(socket: FrameSocket, exchange: Exchange): number {
  const message = requestMessage("ConsumeSegment", { segment: SEGMENT }, exchange);
  return socket.request({ path: pathOf("ConsumeSegment"), message });
}

function beginPage(socket: FrameSocket, exchange: Exchange): number {
  const message = requestMessage("ReadSegment", { segment: SEGMENT, limit: 1 }, exchange);
  return socket.request({ path: pathOf("ReadSegment"), message });
}

/** A read stops when the credit of its call is used up, and goes on with more. */
export async function callCredit(exchange: Exchange): Promise<void> {
  await fill(exchange);
  using socket = await FrameSocket.open(exchange);
  const call = beginRead(socket, exchange);
  await socket.until("the read has a message", () => socket.call(call).messages.length > 0);
  await socket.settle();
  const { messages } = socket.call(call);
  const bytes = messages.reduce((sum, message) => sum + message.length, 0);
  check(socket.call(call).missing === 0, "the server stopped inside a message");
  check(bytes < APPENDS * APPEND_BYTES, "the server sent everything without credit");
  await finish(socket, [call]);
  const all = socket.call(call).messages.reduce((sum, message) => sum + message.length, 0);
  check(all >= APPENDS * APPEND_BYTES, `the read has ${all} bytes, expected at least ${APPENDS * APPEND_BYTES}`);
}

/** Gives credit back until calls have succeeded. */
async function finish(socket: FrameSocket, calls: readonly number[]): Promise<void> {
  const isOpen = (call: number): boolean => socket.call(call).result === undefined;
  while (calls.some(isOpen)) {
    for (const call of calls) socket.giveBack(call);
    await socket.until(
      "the calls go on with new credit",
      () => !calls.some(isOpen) || calls.some((call) => socket.call(call).owed > 0),
    );
  }
  for (const call of calls) {
    socket.giveBack(call);
    await checkReason(socket, call, "OK");
  }
}

/** With more credit than a read needs, its messages still come one after the other, up to RESULT. */
export async function ampleCredit(exchange: Exchange): Promise<void> {
  await fill(exchange);
  using socket = await FrameSocket.open(exchange);
  const call = beginRead(socket, exchange);
  for (const id of [call, 0]) socket.give(id, APPENDS * APPEND_BYTES * 2);
  await checkReason(socket, call, "OK");
  check(socket.call(call).messages.length > 1, "the read came in one message");
}

/** Answers wait for credit of the socket; failures need none; new credit lets all of them go on. */
export async function socketCredit(exchange: Exchange): Promise<void> {
  await fill(exchange);
  using socket = await FrameSocket.open(exchange);
  const calls = Array.from({ length: 8 }, () => beginPage(socket, exchange));
  const answered = (): number => calls.filter((call) => socket.call(call).messages.length > 0).length;
  await socket.until("four calls are answered", () => answered() >= 4);
  await socket.settle();
  checkSame("calls that the credit of the socket allows", answered(), 4);
  await finish(socket, calls);
  await checkServes(socket);
}

/** A message that waits for credit of its call delays no other call. */
export async function waitingRead(exchange: Exchange): Promise<void> {
  await fill(exchange);
  using socket = await FrameSocket.open(exchange);
  const call = beginRead(socket, exchange);
  await socket.until("the read has a message", () => socket.call(call).messages.length > 0);
  for (let count = 0; count < 20; count++) await checkServes(socket);
  socket.reset(call);
}

/** Messages of a Produce session come back as credit, of its call and of the socket. */
export async function creditOfSession(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const { store: storeId, space } = exchange;
  const call = socket.request({ path: pathOf("Produce") });
  const appends = [{ segment: "credit", records: [{ payload: new Uint8Array(100_000) }] }];
  const message = encoded(ProduceRequestSchema, { storeId, space, appends });
  const cost = costOf(message.length);
  const given = (id: number): number => socket.received.given.get(id) ?? 0;
  const messages = 16;
  for (let sent = 0; sent < messages; sent++) {
    await socket.until("credit of the call", () => 262_144 + given(call) > sent * cost);
    await socket.until("credit of the socket", () => 1_048_576 + given(0) > sent * cost);
    socket.sendMessage(call, message);
    socket.giveBack(call);
  }
  await socket.until("all results of Produce", () => socket.call(call).messages.length === messages);
  socket.send(encodeFrame(FrameKind.HALF_CLOSE, call, new Uint8Array()));
  await checkReason(socket, call, "OK");
  check(given(0) <= messages * cost, `the server gave ${given(0)} bytes for ${messages * cost}`);
}

/** Messages in REQUEST cost credit of the socket and come back. */
export async function creditOfRequests(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const message = appendMessage(exchange, "credit", 60_000);
  const cost = costOf(message.length);
  for (let sent = 0; sent < 40; sent++) {
    await socket.until("credit of the socket", () => 1_048_576 + (socket.received.given.get(0) ?? 0) > sent * cost);
    const call = socket.request({ path: pathOf("Append"), message });
    await checkReason(socket, call, "OK");
    socket.giveBack(call);
  }
}

/** The socket gets the cost of a message back of which only a part arrived before its call ended. */
export async function creditOfReset(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const message = appendMessage(exchange, "credit", 500_000);
  for (let count = 0; count < 8; count++) {
    const spent = count * costOf(message.length);
    await socket.until("the socket has credit again", () => 1_048_576 + (socket.received.given.get(0) ?? 0) > spent);
    const call = socket.request({ path: pathOf("Append") });
    socket.send(framesOf(call, message)[0]!);
    socket.reset(call);
  }
  await checkServes(socket);
}

/** Frames for ended calls have no effect; the socket gets the cost of their messages back. */
export async function endedCalls(exchange: Exchange): Promise<void> {
  using socket = await FrameSocket.open(exchange);
  const call = socket.request({ path: pathOf("GetServerInfo"), message: new Uint8Array() });
  await checkReason(socket, call, "OK");
  socket.giveBack(call);
  // The next call leaves an id out: it counts as a call that has ended.
  socket.request({ path: pathOf("GetServerInfo"), message: new Uint8Array() }, call + 2);
  socket.received.open(call + 1);
  const bytes = 65_536;
  for (let count = 0; count < 20; count++) {
    const spent = count * costOf(bytes);
    await socket.until("the socket has credit again", () => 1_048_576 + (socket.received.given.get(0) ?? 0) > spent);
    const id = call + (count % 2);
    socket.send(
      encodeFrame(FrameKind.MESSAGE, id, new Uint8Array(bytes)),
      encodeFrame(FrameKind.NEXT, id, new Uint8Array(7)),
    );
    socket.send(
      encodeFrame(FrameKind.HALF_CLOSE, id, new Uint8Array()),
      encodeFrame(FrameKind.RESET, id, new Uint8Array()),
    );
    socket.give(id, 7);
  }
  await checkServes(socket);
}
