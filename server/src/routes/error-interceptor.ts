import { Code, ConnectError, createContextKey, createContextValues, type Interceptor } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { errorFromJsonBytes, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import type { Events } from "../events.ts";
import { reasonOf, toConnectError, toRequestError } from "./connect-error.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** Set once a call's request was read and the call has reached the interceptors. */
const reached = createContextKey(false, { description: "request was read" });

/**
 * The application's interceptors inside and outside of the translation of errors: they see the errors that clients see,
 * and what they throw is translated too.
 *
 * @param events told about failures of storage and defects; counts every failure by its reason
 */
export function withErrors(events: Events, others: readonly Interceptor[]): Interceptor[] {
  // Inner errors pass the outer translation unchanged: each failure is told and counted once.
  const told = new WeakSet<ConnectError>();
  const inner = errorInterceptor(events, told);
  return others.length === 0 ? [inner] : [errorInterceptor(events, told), ...others, inner];
}

/**
 * Translates every failure of an implementation into its Connect error.
 *
 * @param told errors that were translated already; translated ones are added
 */
function errorInterceptor(events: Events, told: WeakSet<ConnectError>): Interceptor {
  return (next) => async (request) => {
    request.contextValues.set(reached, true);
    const translate = (error: unknown): ConnectError => {
      if (error instanceof ConnectError && told.has(error)) return error;
      const translated = toConnectError(error);
      told.add(translated);
      // What Connect itself reports, such as a connection that was reset, is no defect; nor what nobody waits for.
      const isOurs = !(error instanceof ConnectError) && !request.signal.aborted;
      const isDefect = isOurs && translated.code === Code.Internal;
      events.failure(error, request.method.name, undefined, isDefect ? "internal-error" : undefined);
      const reason = reasonOf(translated);
      if (reason !== undefined) events.refused(reason);
      return translated;
    };
    try {
      // A stream looks at the signal itself. A call goes on to its end, but nobody waits for its answer any more.
      const response = await (request.stream
        ? next({ ...request, message: translated(request.message, requestError) })
        : unlessAborted(next(request), request.signal));
      if (!response.stream) return response;
      return { ...response, message: translated(uncut(response.message, request.signal), translate) };
    } catch (error) {
      throw translate(error);
    }
  };
}

/**
 * The requests of a stream are read inside its implementation; failures to read them come from Connect, without
 * details.
 */
function requestError(error: unknown): unknown {
  return error instanceof ConnectError ? toRequestError(error) : error;
}

/** What a deadline or its client has cut is not complete, also where the implementation ends in silence. */
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
 * Gives the failures that Connect reports before it calls anything (a request that cannot be read) the code and detail
 * of the protocol: Connect itself says `internal` for malformed binary and attaches no details.
 */
export function withRequestErrors(handler: UniversalHandler, events: Events): UniversalHandler {
  const wrapped = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
    const contextValues = request.contextValues ?? createContextValues();
    const response = await handler({ ...request, contextValues });
    const isReached = () => contextValues.get(reached);
    const repair = (error: ConnectError): ConnectError => {
      const repaired = isReached() ? toConnectError(error) : toRequestError(error);
      const reason = reasonOf(repaired);
      // A failure of a call that was reached is counted where it is translated.
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

/** What a client is told in place of an error of Connect. Errors that have a detail stay as they are. */
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
