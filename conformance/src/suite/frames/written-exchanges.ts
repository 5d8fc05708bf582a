/** Exchanges whose frames are in the case. */
import { encodeFrame, FrameKind } from "@streamkit/protocol/transport";
import { isObject } from "../corpus/json.ts";
import { checkSame, type Exchange } from "./exchange.ts";
import { FrameSocket } from "./frame-socket.ts";
import { checkReason, checkServes, pathOf } from "./payloads.ts";
import { writtenFrames, writtenRequest } from "./written-frames.ts";

/**
 * Sends `send` (or `text`) in one WebSocket message, on a socket whose call 1 is an open Produce session. The server
 * must close the socket with `code`, and serve the next one.
 */
export async function closes(exchange: Exchange): Promise<void> {
  const { send, text, code } = exchange.parameters;
  {
    using socket = await FrameSocket.open(exchange);
    socket.request({ path: pathOf("Produce") });
    if (text !== undefined) socket.sendText(String(text));
    else socket.send(writtenFrames(socket, exchange, send));
    checkSame("the close code", await socket.closed(), Number(code));
  }
  using next = await FrameSocket.open(exchange);
  await checkServes(next);
}

/**
 * Begins call 1 with `request` and sends `send` behind it in one WebSocket message. The call must fail with `reason`,
 * and the socket must serve the next call.
 */
export async function fails(exchange: Exchange): Promise<void> {
  const { request, send, reason } = exchange.parameters;
  using socket = await FrameSocket.open(exchange);
  socket.began(1);
  const first = encodeFrame(FrameKind.REQUEST, 1, writtenRequest(exchange, isObject(request) ? request : {}));
  socket.send(first, writtenFrames(socket, exchange, send));
  await checkReason(socket, 1, String(reason));
  await checkServes(socket);
}

/** Sends `send` in one WebSocket message. `reasons` has the results by call; the socket must serve the next call. */
export async function answers(exchange: Exchange): Promise<void> {
  const { send, reasons } = exchange.parameters;
  using socket = await FrameSocket.open(exchange);
  socket.send(writtenFrames(socket, exchange, send));
  for (const [call, reason] of Object.entries(isObject(reasons) ? reasons : {})) {
    await checkReason(socket, Number(call), String(reason));
  }
  await checkServes(socket);
}
