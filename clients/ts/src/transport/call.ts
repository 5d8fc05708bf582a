import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { unlessSilent } from "../silence.ts";
import type { Contact } from "./contact.ts";

/** How calls are made: over what, with whom, and how long an answer may take. */
export interface CallSettings {
  readonly transport: Transport;
  readonly contact: Contact;
  /** Longest wait for a server that owes an answer, in milliseconds: a unary attempt, a response of a stream. */
  readonly timeoutMillis: number;
}

/**
 * Largest timeout that fits into the header of gRPC, eight digits of milliseconds; without one, the client minds it
 * alone.
 */
const MAX_WIRE_TIMEOUT_MILLIS = 99_999_999;
/** How much later the client gives up than the transport should have: not all transports mind their signal. */
const GRACE_MILLIS = 1_000;

/** One attempt of a unary call. Throws StreamkitError. */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  settings: CallSettings,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal | undefined,
): Promise<MessageShape<O>> {
  const { transport, contact, timeoutMillis } = settings;
  try {
    const wireTimeout = timeoutMillis <= MAX_WIRE_TIMEOUT_MILLIS ? timeoutMillis : undefined;
    const response = await unlessSilent(
      transport.unary(method, signal, wireTimeout, undefined, request),
      timeoutMillis + GRACE_MILLIS,
      signal,
      () => contact.silent(method, `no answer within ${timeoutMillis} ms`),
    );
    contact.heardOf(method);
    return response.message;
  } catch (thrown) {
    const error = await contact.explain(thrown, method, signal);
    if (error.code === "deadline_exceeded") contact.probe();
    throw error;
  }
}

/** The settings of a call that the server may hold back for a while before it owes an answer. */
export function heldBack(settings: CallSettings, waitMillis = 0): CallSettings {
  return waitMillis === 0 ? settings : { ...settings, timeoutMillis: settings.timeoutMillis + waitMillis };
}

/** Longest waits for the responses of a stream, in milliseconds. */
export interface StreamPatience {
  /** For the first response, which a server sends at once. */
  readonly first: number;
  /** For each later one. */
  readonly later: number;
}

/** The limits of a stream whose later responses may be so far apart; absent: as far as every answer. */
export function patience({ timeoutMillis }: CallSettings, later = timeoutMillis): StreamPatience {
  return { first: timeoutMillis, later };
}

/** No limits: for a stream whose caller knows better what the server owes. */
export const ENDLESS: StreamPatience = { first: Number.POSITIVE_INFINITY, later: Number.POSITIVE_INFINITY };

/**
 * One attempt of a streaming call, each response mapped. Throws StreamkitError. Leaving it early ends the call; the
 * signal does so in the middle of a wait, too.
 */
export async function* callStream<I extends DescMessage, O extends DescMessage, R>(
  settings: CallSettings,
  method: DescMethodStreaming<I, O>,
  requests: AsyncIterable<MessageInitShape<I>>,
  signal: AbortSignal,
  map: (response: MessageShape<O>) => R,
  { first, later }: StreamPatience = patience(settings),
): AsyncGenerator<R, void, undefined> {
  const { transport, contact } = settings;
  const awaited = <T>(promise: Promise<T>, millis: number): Promise<T> =>
    unlessSilent(promise, millis, signal, () => {
      contact.probe();
      return contact.silent(method, `nothing arrived for ${millis} ms`);
    });
  let messages: AsyncIterator<MessageShape<O>> | undefined;
  try {
    const call = transport.stream(method, signal, undefined, undefined, requests);
    messages = (await awaited(call, first)).message[Symbol.asyncIterator]();
    for (let limit = first, heard = false; ; limit = later) {
      const result = await awaited(messages.next(), limit);
      if (!heard) contact.heardOf(method);
      heard = true;
      if (result.done) {
        messages = undefined;
        return;
      }
      const { value } = result;
      // connect-es 2.3.0 keeps each of these objects until the call ends: a message that stays in one is never freed.
      (result as { value?: unknown }).value = undefined;
      yield map(value);
    }
  } catch (thrown) {
    throw await contact.explain(thrown, method, signal);
  } finally {
    messages?.return?.().catch(() => {});
  }
}

/** An async iterable of one value. */
export async function* only<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}
