import { type ContextValues, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import type { Account } from "./account.ts";
import { Deadlines } from "./deadlines.ts";
import type { ServerLimits } from "./limits.ts";
import { accountKey, peerKey } from "./peer.ts";
import { RequestMeter } from "./request-meter.ts";

/** Unary responses up to this size are not counted: each leaves in one piece, and is smaller than the call itself. */
export const SMALL_BYTES = 8 * 1024;

export interface AdmissionOptions {
  readonly limits: ServerLimits;
  /** The account of the server, for calls whose transport knows no peer. */
  readonly server: Account;
  /** Turns a refusal into an error that the protocol of the call can carry. */
  readonly toError: (error: ServerError) => Error;
}

/**
 * Admits calls: counts streams and bytes for the caller, and ends requests that do not arrive in time. All entrances of
 * a server share one. `wrap` applies it to a handler of Connect; an entrance without such handlers calls the other
 * methods.
 */
export class Admission {
  readonly #limits: ServerLimits;
  readonly #server: Account;
  readonly #toError: (error: ServerError) => Error;
  readonly #deadlines: Deadlines;

  constructor({ limits, server, toError }: AdmissionOptions) {
    this.#limits = limits;
    this.#server = server;
    this.#toError = toError;
    this.#deadlines = new Deadlines(limits.requestMillis);
  }

  /**
   * Selects the account of a call, and records it in the context values: the account of the connection, or that of the
   * server if the transport knows none.
   */
  admit(values: ContextValues): Account {
    const account = values.get(peerKey)?.account ?? this.#server;
    values.set(accountKey, account);
    return account;
  }

  /**
   * Counts a stream until the result is disposed.
   *
   * @throws the result of `toError` for OVERLOADED
   */
  openStream(account: Account): Disposable {
    this.#take(account, "streams", 1);
    return { [Symbol.dispose]: once(() => account.give("streams", 1)) };
  }

  /**
   * Counts bytes of a request. The caller gives them back to the account.
   *
   * @throws the result of `toError` for OVERLOADED; then nothing is counted
   */
  takeRequest(account: Account, bytes: number): void {
    this.#take(account, "requestBytes", bytes);
  }

  /**
   * Starts the deadline `limits.requestMillis` for a request, or for the first message of a stream.
   *
   * @param single true if the method takes one message
   * @param onLate called with DEADLINE_EXCEEDED unless the result is disposed in time
   */
  expect(single: boolean, onLate: (error: Error) => void): Disposable {
    return this.#deadlines.begin(() => onLate(this.#late(single)));
  }

  /** Returns a handler that admits each call before `handler` runs. */
  wrap(handler: UniversalHandler): UniversalHandler {
    const streaming = handler.method.methodKind !== "unary";
    const single = !streaming || handler.method.methodKind === "server_streaming";
    const admitted = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
      const contextValues = request.contextValues ?? createContextValues();
      const account = this.admit(contextValues);
      let stream: Disposable | undefined;
      if (streaming) {
        try {
          stream = this.openStream(account);
        } catch (error) {
          return handler({ ...request, contextValues, body: failing(error as Error) });
        }
      }
      const body = isBytes(request.body)
        ? new RequestMeter(request.body, { admission: this, account, enveloped: streaming, single })
        : request.body;
      const end = once(() => {
        if (body instanceof RequestMeter) body.end();
        stream?.[Symbol.dispose]();
      });
      // Nobody may ask for the response of a call whose client has gone.
      if (streaming) request.signal.addEventListener("abort", end, { once: true });
      let response: UniversalServerResponse;
      try {
        response = await handler({ ...request, contextValues, body });
      } catch (error) {
        end();
        throw error;
      }
      if (!streaming || response.body === undefined) end();
      if (!streaming && Number(response.header?.get("content-length") ?? SMALL_BYTES + 1) <= SMALL_BYTES)
        return response;
      return response.body === undefined
        ? response
        : { ...response, body: new ResponseMeter(response.body, account, end) };
    };
    return Object.assign(admitted, handler);
  }

  #take(account: Account, resource: "streams" | "requestBytes", amount: number): void {
    try {
      account.take(resource, amount);
    } catch (error) {
      throw this.#toError(error as ServerError);
    }
  }

  #late(single: boolean): Error {
    const noun = single ? "the request" : "the first message of the stream";
    const limit = `${this.#limits.requestMillis} ms (limits.requestMillis)`;
    return this.#toError(new ServerError(ErrorReason.DEADLINE_EXCEEDED, `${noun} did not arrive within ${limit}`));
  }
}

/** A response body that counts each chunk from the moment its reader gets it until the reader asks for the next one. */
class ResponseMeter implements AsyncIterableIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #account: Account;
  readonly #onEnd: () => void;
  #given = 0;

  constructor(inner: AsyncIterable<Uint8Array>, account: Account, onEnd: () => void) {
    this.#inner = inner[Symbol.asyncIterator]();
    this.#account = account;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    try {
      const result = await this.#inner.next();
      if (result.done === true) {
        this.#onEnd();
      } else {
        this.#given = result.value.byteLength;
        this.#account.add("responseBytes", this.#given);
      }
      return result;
    } catch (error) {
      this.#onEnd();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    this.#onEnd();
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<Uint8Array>> {
    this.#taken();
    this.#onEnd();
    if (this.#inner.throw === undefined) throw error;
    return this.#inner.throw(error);
  }

  #taken(): void {
    this.#account.give("responseBytes", this.#given);
    this.#given = 0;
  }
}

function isBytes(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function failing(error: Error): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
