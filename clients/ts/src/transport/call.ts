import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { Credentials } from "../credentials/credentials.ts";
import type { Token } from "../credentials/token.ts";
import type { StreamkitError } from "../errors/error.ts";
import { unlessSilent } from "../silence.ts";
import type { Contact } from "./contact.ts";

/** The settings of calls: the transport, the server, and the longest wait for an answer. */
export interface CallSettings {
  readonly transport: Transport;
  readonly contact: Contact;
  /** The token of all calls; absent for a client without one. */
  readonly credentials?: Credentials | undefined;
  /** Longest wait for the answer to a unary attempt, and for each response of a stream, in milliseconds. */
  readonly timeoutMillis: number;
}

/**
 * Largest timeout that fits into the header of gRPC, which has eight digits of milliseconds. The client sends no larger
 * timeout to the server, and only watches it itself.
 */
const MAX_WIRE_TIMEOUT_MILLIS = 99_999_999;
/** Time after the timeout until the client gives up itself, in milliseconds: not all transports obey their timeout. */
const GRACE_MILLIS = 1_000;

/** One attempt of a unary call. Throws StreamkitError. */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  settings: CallSettings,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal | undefined,
): Promise<MessageShape<O>> {
  const { transport, contact, credentials, timeoutMillis } = settings;
  let token: Token | undefined;
  try {
    const begun = performance.now();
    token = credentials && (await credentials.get(timeoutMillis, signal));
    const left = Math.max(1, Math.ceil(timeoutMillis - (performance.now() - begun)));
    const wireTimeout = left <= MAX_WIRE_TIMEOUT_MILLIS ? left : undefined;
    const response = await unlessSilent(
      transport.unary(method, signal, wireTimeout, token?.headers, request),
      left + GRACE_MILLIS,
      signal,
      () => contact.silent(method, `no answer within ${timeoutMillis} ms`),
    );
    contact.heardOf(method);
    if (token) credentials?.accepted(token);
    return response.message;
  } catch (thrown) {
    const error = await contact.explain(thrown, method, signal);
    if (error.code === "deadline_exceeded") contact.probe();
    throw weighed(settings, token, error);
  }
}

/** The error of a call, which is retryable if another token may help. */
function weighed({ credentials }: CallSettings, token: Token | undefined, error: StreamkitError): StreamkitError {
  return credentials && token ? credentials.failed(token, error) : error;
}

/** The settings of a call whose answer the server may hold back for `waitMillis`. */
export function heldBack(settings: CallSettings, waitMillis = 0): CallSettings {
  return waitMillis === 0 ? settings : { ...settings, timeoutMillis: settings.timeoutMillis + waitMillis };
}

/** Longest waits for the responses of a stream, in milliseconds. */
export interface StreamPatience {
  /** Wait for the first response, which a server sends at once. */
  readonly first: number;
  /** Wait for each later response. */
  readonly later: number;
}

/** The limits of a stream. `later` is the longest time between responses; default: the timeout of all calls. */
export function patience({ timeoutMillis }: CallSettings, later = timeoutMillis): StreamPatience {
  return { first: timeoutMillis, later };
}

/** No limits, for a stream whose caller watches the time itself. */
export const ENDLESS: StreamPatience = { first: Number.POSITIVE_INFINITY, later: Number.POSITIVE_INFINITY };

/**
 * One attempt of a streaming call. Gives each response after `map`. The end of the iteration ends the call, and so does
 * the signal, also during a wait.
 *
 * @throws StreamkitError
 */
export async function* callStream<I extends DescMessage, O extends DescMessage, R>(
  settings: CallSettings,
  method: DescMethodStreaming<I, O>,
  requests: AsyncIterable<MessageInitShape<I>>,
  signal: AbortSignal,
  map: (response: MessageShape<O>) => R,
  { first, later }: StreamPatience = patience(settings),
): AsyncGenerator<R, void, undefined> {
  const { transport, contact, credentials } = settings;
  let token: Token | undefined;
  const awaited = <T>(promise: Promise<T>, millis: number): Promise<T> =>
    unlessSilent(promise, millis, signal, () => {
      contact.probe();
      return contact.silent(method, `nothing arrived for ${millis} ms`);
    });
  let messages: AsyncIterator<MessageShape<O>> | undefined;
  try {
    token = credentials && (await credentials.get(first, signal));
    const call = transport.stream(method, signal, undefined, token?.headers, requests);
    messages = (await awaited(call, first)).message[Symbol.asyncIterator]();
    for (let limit = first, heard = false; ; limit = later) {
      const result = await awaited(messages.next(), limit);
      if (!heard) {
        contact.heardOf(method);
        if (token) credentials?.accepted(token);
      }
      heard = true;
      if (result.done) {
        messages = undefined;
        return;
      }
      const { value } = result;
      // connect-es 2.3.0 keeps each `result` until the call ends. Free the message in it.
      (result as { value?: unknown }).value = undefined;
      yield map(value);
    }
  } catch (thrown) {
    throw weighed(settings, token, await contact.explain(thrown, method, signal));
  } finally {
    messages?.return?.().catch(() => {});
  }
}

/** An async iterable of one value. */
export async function* only<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}
