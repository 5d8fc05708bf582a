import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { ErrorReason } from "@streamkit/protocol";
import { type Arrival, type Gate, principalKey, trustedKey } from "../access/gate.ts";
import type { AccessRequest, Principal } from "../access/principal.ts";
import { ServerError } from "../errors.ts";
import type { Account } from "./account.ts";
import { Deadlines } from "./deadlines.ts";
import type { ServerLimits } from "./limits.ts";
import { accountKey, peerKey } from "./peer.ts";
import { RequestMeter } from "./request-meter.ts";
import { ResponseMeter } from "./response-meter.ts";

/** Unary responses up to this size are not counted: each leaves in one piece, and is smaller than the call itself. */
export const SMALL_BYTES = 8 * 1024;

export interface AdmissionOptions {
  readonly limits: ServerLimits;
  /** The account of the server, for calls whose transport knows no peer. */
  readonly server: Account;
  /** Returns the account of a principal. Default: the calls of a principal count for their connections only. */
  readonly principalAccount?: (subject: string) => Account;
  /** Turns a refusal into an error that the protocol of the call can carry. */
  readonly toError: (error: ServerError) => Error;
  /** Checks the caller of each call. Default: all callers may call. */
  readonly gate?: Gate | undefined;
}

/** A way in that has handlers of Connect. */
export interface Entrance {
  readonly transport: AccessRequest["transport"];
  /** True if its calls pass without authentication, because they come from the application itself. */
  readonly trusted: boolean;
}

/** The refusal of a call, for a handler that answers with it. */
export const refusalKey = createContextKey<Error | undefined>(undefined, { description: "the refusal of the call" });

/**
 * Admits calls: checks the caller, counts streams and bytes for the caller, and ends requests that do not arrive in
 * time. All entrances of a server share one. `wrap` applies it to a handler of Connect; an entrance without such
 * handlers calls the other methods.
 */
export class Admission {
  readonly #limits: ServerLimits;
  readonly #server: Account;
  readonly #principalAccount: ((subject: string) => Account) | undefined;
  readonly #toError: (error: ServerError) => Error;
  readonly #deadlines: Deadlines;
  readonly #checks: Deadlines;
  /** Checks the caller of each call. Undefined if all callers may call. */
  readonly gate: Gate | undefined;

  constructor({ limits, server, principalAccount, toError, gate }: AdmissionOptions) {
    this.#principalAccount = principalAccount;
    this.gate = gate;
    this.#limits = limits;
    this.#server = server;
    this.#toError = toError;
    this.#deadlines = new Deadlines(limits.requestMillis);
    this.#checks = new Deadlines(limits.headerMillis);
  }

  /**
   * Admits a call before its request is read: checks its caller, and selects its account. Records both in the context
   * values. Returns a promise only if the check of the caller takes time.
   *
   * @throws the result of `toError` for a refused caller
   */
  admit(values: ContextValues, arrival: Arrival): Account | Promise<Account> {
    if (this.gate === undefined) return this.#admitted(values, undefined);
    const principal = this.#errorsOf(() => this.gate?.check(arrival));
    if (!(principal instanceof Promise)) return this.#admitted(values, principal);
    return this.#inTime(principal).then(
      (found) => this.#admitted(values, found),
      (error: ServerError) => {
        throw this.#toError(error);
      },
    );
  }

  /**
   * Finds the principal of a connection. Returns undefined without a gate.
   *
   * @throws ServerError TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED or AUTHENTICATION_UNAVAILABLE
   */
  authenticate(request: AccessRequest): Principal | Promise<Principal> | undefined {
    const found = this.gate?.authenticate(request);
    return found instanceof Promise ? this.#inTime(found) : found;
  }

  /**
   * Waits at most `limits.headerMillis` for a principal.
   *
   * @throws ServerError
   */
  async #inTime(principal: Promise<Principal>): Promise<Principal> {
    let deadline: Disposable | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = this.#checks.begin(() => reject(this.#unchecked()));
    });
    try {
      return await Promise.race([principal, late]);
    } finally {
      deadline?.[Symbol.dispose]();
    }
  }

  /**
   * Returns the account of a call: that of its connection, or that of the server if the transport knows none, together
   * with that of its principal.
   */
  #admitted(values: ContextValues, principal: Principal | undefined): Account {
    const connection = values.get(peerKey)?.account ?? this.#server;
    let account = connection;
    if (principal !== undefined) {
      values.set(principalKey, principal);
      const share = this.#principalAccount?.(principal.subject);
      if (share !== undefined) account = connection.with(share);
    }
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

  /**
   * Returns a handler that admits each call before `handler` runs.
   *
   * @param refusing answers calls whose caller is refused, with the error in `refusalKey`, in the protocol of the call
   */
  wrap(handler: UniversalHandler, refusing: UniversalHandler, { transport, trusted }: Entrance): UniversalHandler {
    const streaming = handler.method.methodKind !== "unary";
    const single = !streaming || handler.method.methodKind === "server_streaming";
    const admitted = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
      const contextValues = request.contextValues ?? createContextValues();
      const { method } = handler;
      const arrival = { method, accessRequest: () => accessRequest(request, transport) };
      let account: Account;
      try {
        // An await would cost a call without a check a turn of the event loop.
        if (trusted) contextValues.set(trustedKey, true);
        const admitted = trusted ? this.#admitted(contextValues, undefined) : this.admit(contextValues, arrival);
        account = admitted instanceof Promise ? await admitted : admitted;
      } catch (error) {
        contextValues.set(refusalKey, error as Error);
        return refusing({ ...request, contextValues });
      }
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
    this.#errorsOf(() => account.take(resource, amount));
  }

  #errorsOf<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#toError(error as ServerError);
    }
  }

  #unchecked(): ServerError {
    const limit = `${this.#limits.headerMillis} ms (limits.headerMillis)`;
    const message = `the server could not check the credentials within ${limit}; try again`;
    return new ServerError(ErrorReason.AUTHENTICATION_UNAVAILABLE, message, { retryAfterMillis: 1_000 });
  }

  #late(single: boolean): Error {
    const noun = single ? "the request" : "the first message of the stream";
    const limit = `${this.#limits.requestMillis} ms (limits.requestMillis)`;
    return this.#toError(new ServerError(ErrorReason.DEADLINE_EXCEEDED, `${noun} did not arrive within ${limit}`));
  }
}

function isBytes(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function accessRequest(request: UniversalServerRequest, transport: AccessRequest["transport"]): AccessRequest {
  const peer = request.contextValues?.get(peerKey)?.certificate?.();
  return { headers: request.header, transport, ...(peer && { peer }) };
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
