import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import type { Events } from "../events.ts";
import { reasonOf, toConnectError, toRequestError } from "./connect-error.ts";
import { LazyContext } from "./lazy-context.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** True once the request of a call was read and the interceptors have begun. */
const reached = createContextKey(false, { description: "request was read" });

/**
 * Returns interceptors that translate errors both inside and outside of the application's own interceptors. The
 * application's interceptors see the errors that clients see, and their own errors are translated too.
 *
 * @param events receives failures of storage and defects; counts every failure by its reason
 * @param others the application's interceptors, the first one outermost
 */
export function withErrors(events: Events, others: readonly Interceptor[]): Interceptor[] {
  // Errors that the inner interceptor translated pass the outer one unchanged, so each failure is reported and counted
  // once.
  const told = new WeakSet<ConnectError>();
  const inner = errorInterceptor(events, told);
  return others.length === 0 ? [inner] : [errorInterceptor(events, told), ...others, inner];
}

/** Runs a unary call in place of the interceptors. Only servers without interceptors of the application use it. */
export type UnaryShell = <T>(method: DescMethod, context: HandlerContext, work: () => Promise<T>) => Promise<T>;

/**
 * Returns a function that does the work of the `withErrors` interceptors for a unary call. It creates no request for
 * interceptors, and no signal if the context can do without.
 */
export function unaryShell(events: Events): UnaryShell {
  return async (method, context, work) => {
    const isLazy = context instanceof LazyContext;
    try {
      return await (isLazy ? context.unlessAborted(work()) : unlessAborted(work(), context.signal));
    } catch (error) {
      throw translate(events, error, method, isLazy ? context.aborted : context.signal.aborted);
    }
  };
}

/**
 * Translates every failure of an implementation into its Connect error.
 *
 * @param told errors that are already translated; the interceptor adds its own
 */
function errorInterceptor(events: Events, told: WeakSet<ConnectError>): Interceptor {
  return (next) => async (request) => {
    request.contextValues.set(reached, true);
    const translateOnce = (error: unknown): ConnectError => {
      if (error instanceof ConnectError && told.has(error)) return error;
      const translated = translate(events, error, request.method, request.signal.aborted);
      told.add(translated);
      return translated;
    };
    try {
      // A stream checks the signal itself. A unary call runs to its end, but nobody waits for its answer after an
      // abort.
      const response = await (request.stream
        ? next({ ...request, message: translated(request.message, requestError) })
        : unlessAborted(next(request), request.signal));
      if (!response.stream) return response;
      return { ...response, message: translated(uncut(response.message, request.signal), translateOnce) };
    } catch (error) {
      throw translateOnce(error);
    }
  };
}

/** Translates one failure into its Connect error, reports it and counts it. */
function translate(events: Events, error: unknown, method: DescMethod, aborted: boolean): ConnectError {
  const translated = toConnectError(error);
  // An error of Connect itself, such as a connection reset, is not a defect. Neither is an error after the call was
  // aborted.
  const isDefect = !(error instanceof ConnectError) && !aborted && translated.code === Code.Internal;
  events.failure(error, method.name, undefined, isDefect ? "internal-error" : undefined);
  const reason = reasonOf(translated);
  if (reason !== undefined) events.refused(reason);
  return translated;
}

/**
 * Translates failures to read a request of a stream. The implementation reads its requests, and Connect throws those
 * failures without details.
 */
function requestError(error: unknown): unknown {
  return error instanceof ConnectError ? toRequestError(error) : error;
}

/**
 * Fails at the end of a stream that a deadline or the client cut off, even if the implementation ends without an error.
 */
async function* uncut<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  yield* messages;
  signal.throwIfAborted();
}

async function* translated<T>(messages: AsyncIterable<T>, translate: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}

/**
 * Gives Connect's errors for unreadable requests the code and detail of the protocol. Connect reports `internal` for
 * malformed binary and attaches no details.
 */
export function withRequestErrors(handler: UniversalHandler, events: Events): UniversalHandler {
  const wrapped = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
    const contextValues = request.contextValues ?? createContextValues();
    const response = await handler({ ...request, contextValues });
    const isReached = () => contextValues.get(reached);
    const repair = (error: ConnectError): ConnectError => {
      const repaired = isReached() ? toConnectError(error) : toRequestError(error);
      const reason = reasonOf(repaired);
      // `errorInterceptor` has already counted the failures of calls that reached it.
      if (reason !== undefined && !(isReached() && error.details.length > 0)) events.refused(reason);
      return repaired;
    };
    const contentType = request.header.get("content-type") ?? "";
    if (contentType.startsWith("application/grpc-web")) return repairGrpcWeb(response, repair);
    if (contentType.startsWith("application/grpc")) return repairGrpc(response, repair);
    if (contentType.startsWith("application/connect+")) return response;
    return repairConnectUnary(response, repair);
  };
  return Object.assign(wrapped, handler);
}

/** Returns the error that the client sees in place of an error of Connect. An error with a detail stays the same. */
type Repair = (error: ConnectError) => ConnectError;

async function repairConnectUnary(response: UniversalServerResponse, repair: Repair): Promise<UniversalServerResponse> {
  if (response.status === 200 || response.body === undefined) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  const original = Buffer.concat(chunks);
  let error: ConnectError;
  try {
    error = errorFromJsonBytes(original, undefined, new ConnectError("unreadable"));
  } catch {
    return { ...response, body: once(original) };
  }
  const repaired = repair(error);
  if (repaired === error) return { ...response, body: once(original) };
  const body = errorToJsonBytes(repaired, undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(body.byteLength));
  return {
    ...response,
    status: repaired.code === Code.InvalidArgument ? 400 : response.status,
    header,
    body: once(body),
  };
}

function repairGrpc(response: UniversalServerResponse, repair: Repair): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  return {
    ...response,
    body: (async function* () {
      yield* body;
      const error = findTrailerError(trailer);
      const repaired = error && repair(error);
      if (repaired !== error) setTrailerStatus(trailer, repaired);
    })(),
  };
}

function repairGrpcWeb(response: UniversalServerResponse, repair: Repair): UniversalServerResponse {
  const { body } = response;
  if (body === undefined) return response;
  return {
    ...response,
    body: (async function* () {
      for await (const chunk of body) {
        if ((chunk[0] & trailerFlag) === 0) {
          yield chunk;
          continue;
        }
        const trailer = trailerParse(chunk.subarray(5) as Uint8Array<ArrayBuffer>);
        const error = findTrailerError(trailer);
        const repaired = error && repair(error);
        if (repaired === error) {
          yield chunk;
        } else {
          setTrailerStatus(trailer, repaired);
          yield encodeEnvelope(trailerFlag, trailerSerialize(trailer));
        }
      }
    })(),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
