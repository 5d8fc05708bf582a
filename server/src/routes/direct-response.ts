import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { varintLength, WIRE_LENGTH, WIRE_VARINT, writeVarint } from "@streamkit/protocol/wire";
import type { EncodedBatch } from "../engine/rows/batch.ts";

/** Encoded messages that take the place of what the implementation yields, in order. */
type Outbox = Uint8Array[];

const outboxKey = createContextKey<Outbox | undefined>(undefined, { description: "encoded responses" });

/** Flags and length of an enveloped message: https://connectrpc.com/docs/protocol#streaming-request */
const ENVELOPE_BYTES = 5;

/**
 * Sends stored batches as they are. Serializing a message of half a megabyte through the generated schema, and putting
 * the result into an envelope, copies it four times; this writes the envelope with one copy (docs/decisions/0003).
 *
 * The implementation hands an encoded message to `respondDirectly` before it yields, or returns, the same message
 * without its batches; what Connect makes of that is replaced on its way out. Errors, trailers and all else stay
 * Connect's.
 */
export function withDirectResponses(handler: UniversalHandler): UniversalHandler {
  const wrapped = async (request: UniversalServerRequest) => {
    const contentType = request.header.get("content-type") ?? "";
    // JSON has another form.
    if (contentType.includes("json")) return handler(request);
    const contextValues = request.contextValues ?? createContextValues();
    const outbox: Outbox = [];
    contextValues.set(outboxKey, outbox);
    const response = await handler({ ...request, contextValues });
    const { body } = response;
    if (body === undefined) return response;
    if (contentType.startsWith("application/proto")) return replaceUnary(response, outbox);
    return { ...response, body: replaceMessages(body, outbox) };
  };
  return Object.assign(wrapped, handler);
}

/**
 * For ways in without Connect's handlers: lets the implementations of one call hand over encoded answers. The function
 * that it returns gives the encoding, without an envelope, of the answer that was returned or yielded last; undefined
 * where that answer is complete and has to be encoded.
 */
export function acceptDirectResponses(values: ContextValues): () => Uint8Array | undefined {
  const outbox: Outbox = [];
  values.set(outboxKey, outbox);
  return () => outbox.shift()?.subarray(ENVELOPE_BYTES);
}

async function* replaceMessages(body: AsyncIterable<Uint8Array>, outbox: Outbox): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    // A chunk is one envelope; flags other than 0 mark the end of the stream.
    const direct = chunk[0] === 0 ? outbox.shift() : undefined;
    yield direct ?? chunk;
  }
}

/** The answer of a unary call of Connect is the message without an envelope. */
function replaceUnary(response: UniversalServerResponse, [direct]: Outbox): UniversalServerResponse {
  if (direct === undefined || response.status !== 200) return response;
  const message = direct.subarray(ENVELOPE_BYTES);
  const header = new Headers(response.header);
  header.set("content-length", String(message.length));
  return { ...response, header, body: createAsyncIterable([message]) };
}

/** A message that is sent to many subscribers. */
export interface SharedMessage {
  /** Its binary encoding, in pieces. */
  encoded(): readonly Uint8Array[];
}

const envelopes = new WeakMap<SharedMessage, Uint8Array>();

/**
 * Takes a message that others are sent too, to be sent in place of the message that is yielded next: the same bytes for
 * all, however many they are. False when the call's format does not allow it, and the message must be yielded in full.
 */
export function sendShared(context: HandlerContext, message: SharedMessage): boolean {
  const outbox = context.values.get(outboxKey);
  if (outbox === undefined) return false;
  let envelope = envelopes.get(message);
  if (envelope === undefined) {
    envelope = toEnvelope(message.encoded());
    envelopes.set(message, envelope);
  }
  outbox.push(envelope);
  return true;
}

function toEnvelope(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const envelope = Buffer.allocUnsafeSlow(ENVELOPE_BYTES + length);
  envelope[0] = 0;
  envelope.writeUInt32BE(length, 1);
  let at = ENVELOPE_BYTES;
  for (const piece of pieces) {
    envelope.set(piece, at);
    at += piece.length;
  }
  return envelope;
}

/**
 * Takes a consume response in its parts, to be sent in place of the message that is yielded next. False when the call's
 * format does not allow it, and the message must be yielded in full.
 *
 * @param next field 2 of the response: next_sequence or next_offset
 */
export function respondDirectly(
  context: HandlerContext,
  batches: readonly EncodedBatch[],
  next: number,
  caughtUp: boolean,
): boolean {
  const outbox = context.values.get(outboxKey);
  if (outbox === undefined) return false;
  let length = 1 + varintLength(next) + (caughtUp ? 2 : 0);
  for (const { byteLength } of batches) length += 1 + varintLength(byteLength) + byteLength;
  const envelope = Buffer.allocUnsafe(ENVELOPE_BYTES + length);
  envelope[0] = 0;
  envelope.writeUInt32BE(length, 1);
  let at = ENVELOPE_BYTES;
  for (const batch of batches) {
    envelope[at++] = (1 << 3) | WIRE_LENGTH;
    at = writeVarint(envelope, at, batch.byteLength);
    for (const piece of batch.pieces) {
      envelope.set(piece, at);
      at += piece.length;
    }
  }
  envelope[at++] = (2 << 3) | WIRE_VARINT;
  at = writeVarint(envelope, at, next);
  if (caughtUp) {
    envelope[at++] = (3 << 3) | WIRE_VARINT;
    envelope[at++] = 1;
  }
  outbox.push(envelope);
  return true;
}
