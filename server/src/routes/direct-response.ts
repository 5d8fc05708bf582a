import { type ContextValues, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { varintLength, WIRE_LENGTH, WIRE_VARINT, writeVarint } from "@streamkit/protocol/wire";
import type { EncodedPage } from "../engine/read/segment-tail.ts";
import type { EncodedBatch } from "../engine/rows/batch.ts";

/** Encoded messages that replace the messages of the implementation, in order. */
type Outbox = Uint8Array[];

const outboxKey = createContextKey<Outbox | undefined>(undefined, { description: "encoded responses" });

/** Flags and length of an enveloped message: https://connectrpc.com/docs/protocol#streaming-request */
const ENVELOPE_BYTES = 5;

/**
 * Sends stored batches as they are. Serializing a message of half a megabyte through the generated schema and putting
 * it into an envelope copies it four times. This function writes the envelope with one copy (docs/decisions/0003).
 *
 * The implementation hands the encoded message to `respondDirectly`, then yields or returns the same message without
 * its batches. The wrapper replaces Connect's encoding of that message on its way out. Connect still writes errors,
 * trailers and everything else.
 */
export function withDirectResponses(handler: UniversalHandler): UniversalHandler {
  const wrapped = async (request: UniversalServerRequest) => {
    const contentType = request.header.get("content-type") ?? "";
    // The encoded messages are binary; JSON needs the complete message.
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
 * Lets the implementations of one call hand over encoded answers, for the ways in without Connect's handlers.
 *
 * @returns a function that gives the encoding, without an envelope, of the last answer; undefined if that answer is
 * complete and the caller must encode it
 */
export function acceptDirectResponses(values: ContextValues): () => Uint8Array | undefined {
  const outbox: Outbox = [];
  values.set(outboxKey, outbox);
  return () => outbox.shift()?.subarray(ENVELOPE_BYTES);
}

async function* replaceMessages(body: AsyncIterable<Uint8Array>, outbox: Outbox): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    // A chunk is one envelope. Flags other than 0 mark the end of the stream.
    const direct = chunk[0] === 0 ? outbox.shift() : undefined;
    yield direct ?? chunk;
  }
}

/** The answer of a unary Connect call is the message without an envelope. */
function replaceUnary(response: UniversalServerResponse, [direct]: Outbox): UniversalServerResponse {
  if (direct === undefined || response.status !== 200) return response;
  const message = direct.subarray(ENVELOPE_BYTES);
  const header = new Headers(response.header);
  header.set("content-length", String(message.length));
  return { ...response, header, body: createAsyncIterable([message]) };
}

/** A message that goes to many subscribers. */
export interface SharedMessage {
  /** The binary encoding of the message, in pieces. */
  encoded(): readonly Uint8Array[];
}

const envelopes = new WeakMap<SharedMessage, Uint8Array>();

/**
 * Takes an encoded message that replaces the next yielded message. All subscribers share its bytes.
 *
 * @returns false if the format of the call needs the complete message; the implementation must then yield it
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
 * Takes the parts of a consume response. Their encoding replaces the next yielded message.
 *
 * @param next field 2 of the response: next_sequence or next_offset
 * @returns false if the format of the call needs the complete message; the implementation must then yield it
 */
export function respondDirectly(
  context: HandlerContext,
  batches: readonly EncodedBatch[],
  next: number,
  caughtUp: boolean,
): boolean {
  const outbox = context.values.get(outboxKey);
  if (outbox === undefined) return false;
  let length = 0;
  for (const { byteLength } of batches) length += 1 + varintLength(byteLength) + byteLength;
  const envelope = envelopeOf(length, next, caughtUp);
  let at = ENVELOPE_BYTES;
  for (const batch of batches) {
    envelope[at++] = (1 << 3) | WIRE_LENGTH;
    at = writeVarint(envelope, at, batch.byteLength);
    for (const piece of batch.pieces) {
      envelope.set(piece, at);
      at += piece.length;
    }
  }
  outbox.push(envelope);
  return true;
}

/** Takes a page that is encoded already, like `respondDirectly`. */
export function respondEncoded(context: HandlerContext, { fields, next, caughtUp }: EncodedPage): boolean {
  const outbox = context.values.get(outboxKey);
  if (outbox === undefined) return false;
  const envelope = envelopeOf(
    fields.reduce((sum, field) => sum + field.length, 0),
    next,
    caughtUp,
  );
  let at = ENVELOPE_BYTES;
  for (const field of fields) {
    envelope.set(field, at);
    at += field.length;
  }
  outbox.push(envelope);
  return true;
}

/** Returns an enveloped consume response with room for its batches, which are so many bytes. */
function envelopeOf(batchesLength: number, next: number, caughtUp: boolean): Buffer {
  const length = batchesLength + 1 + varintLength(next) + (caughtUp ? 2 : 0);
  const envelope = Buffer.allocUnsafe(ENVELOPE_BYTES + length);
  envelope[0] = 0;
  envelope.writeUInt32BE(length, 1);
  let at = ENVELOPE_BYTES + batchesLength;
  envelope[at++] = (2 << 3) | WIRE_VARINT;
  at = writeVarint(envelope, at, next);
  if (caughtUp) {
    envelope[at++] = (3 << 3) | WIRE_VARINT;
    envelope[at] = 1;
  }
  return envelope;
}
