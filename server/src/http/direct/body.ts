import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Account } from "../../budgets/account.ts";
import type { Admission } from "../../budgets/admission.ts";
import { ChunkList } from "../../routes/reading/chunk-list.ts";
import { checkedEnvelopes } from "../../routes/reading/envelopes.ts";
import { tooLarge, unreadable } from "../../routes/reading/refusal.ts";
import type { Framing } from "./framing.ts";

const ENVELOPE_BYTES = 5;

export interface BodyOptions {
  readonly admission: Admission;
  readonly account: Account;
  /** Called with the number of bytes that were counted; the caller gives them back to the account. */
  readonly taken: (bytes: number) => void;
  /** Returns the error for a call whose client has left. */
  readonly canceled: () => Error;
  /** Throws if a message cannot be read. Called only for a message that is not the only one of its body. */
  readonly check: (message: Uint8Array) => void;
}

/**
 * Reads a request and resolves to its only message, without the envelope. Stops reading at the first failure and leaves
 * the rest, because the answer still has to leave on the connection.
 *
 * @throws ConnectError if the message is too large, malformed or late, or the account is full
 */
export function bodyOf(
  request: IncomingMessage | Http2ServerRequest,
  framing: Framing,
  { admission, account, taken, canceled, check }: BodyOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks = new ChunkList();
    // Length at which to check the envelopes next. Joining the chunks for every chunk would take quadratic time.
    let nextCheck = ENVELOPE_BYTES;
    const deadline = admission.expect(true, (error) => fail(error));
    const settle = () => {
      deadline[Symbol.dispose]();
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("close", onGone);
    };
    const fail = (error: unknown) => {
      settle();
      request.pause();
      reject(error);
    };
    const onData = (chunk: Uint8Array) => {
      try {
        admission.takeRequest(account, chunk.byteLength);
      } catch (error) {
        return fail(error);
      }
      taken(chunk.byteLength);
      chunks.add(chunk);
      if (framing.protocol === "connect") {
        if (chunks.length > framing.limit) fail(tooLarge(framing.limit));
      } else if (chunks.length >= nextCheck) {
        const bytes = chunks.join();
        if (isStrange(bytes, framing.limit)) whyStrange(bytes, framing.limit, check).catch(fail);
        nextCheck = lengthToCheck(bytes);
      }
    };
    const onEnd = () => {
      settle();
      const bytes = chunks.join();
      if (framing.protocol === "connect") resolveConnect(bytes);
      else if (isWhole(bytes)) resolve(bytes.subarray(ENVELOPE_BYTES));
      else whyStrange(bytes, framing.limit, check).catch(reject);
    };
    const resolveConnect = (bytes: Uint8Array) => {
      const announced = request.headers["content-length"];
      if (announced === undefined || Number(announced) === bytes.length) return resolve(bytes);
      reject(unreadable(`the body has ${bytes.length} bytes, and its header says ${announced}`));
    };
    const onGone = () => {
      settle();
      reject(canceled());
    };
    request.on("data", onData);
    request.once("end", onEnd);
    request.once("close", onGone);
  });
}

function sizeOf(bytes: Uint8Array): number {
  return ((bytes[1] << 24) | (bytes[2] << 16) | (bytes[3] << 8) | bytes[4]) >>> 0;
}

function isWhole(bytes: Uint8Array): boolean {
  return bytes.length >= ENVELOPE_BYTES && bytes[0] === 0 && bytes.length === ENVELOPE_BYTES + sizeOf(bytes);
}

/** True once the header of an envelope, or a second message, shows that the body is not one plain message. */
function isStrange(bytes: Uint8Array, limit: number): boolean {
  if (bytes.length < ENVELOPE_BYTES) return false;
  const size = sizeOf(bytes);
  if (bytes[0] !== 0 || size > limit) return true;
  const rest = bytes.subarray(ENVELOPE_BYTES + size);
  if (rest.length < ENVELOPE_BYTES) return false;
  return rest[0] !== 0 || sizeOf(rest) > limit || rest.length >= ENVELOPE_BYTES + sizeOf(rest);
}

/** Returns the length at which `isStrange` can next change its answer, for a body that begins with these bytes. */
function lengthToCheck(bytes: Uint8Array): number {
  const second = ENVELOPE_BYTES + sizeOf(bytes) + ENVELOPE_BYTES;
  return bytes.length < second ? second : second + sizeOf(bytes.subarray(second - ENVELOPE_BYTES));
}

/** Throws the error for a body that is not one plain message, in the words of the reader for all other calls. */
async function whyStrange(bytes: Uint8Array, limit: number, check: (message: Uint8Array) => void): Promise<never> {
  const source = [bytes][Symbol.iterator]();
  const rules = { limit, gzip: false, endFlag: 0, single: true, check };
  for await (const _ of checkedEnvelopes({ next: async () => source.next() }, rules));
  throw unreadable("the request is not one message");
}
