import { Code, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import type { RunningServer } from "./peers.ts";

/** A call that a guard has seen. */
export interface GuardedCall {
  readonly method: string;
  readonly token: string | undefined;
}

/** Hands out tokens, and refuses calls, and ends streams, without a valid one. */
export class Guard {
  readonly calls: GuardedCall[] = [];
  /** The reason of each refusal. */
  readonly refusals: string[] = [];
  readonly #ends = new Map<string, AbortController>();
  #issued = 0;
  /** Names of methods that nobody may call. */
  readonly forbidden = new Set<string>();

  /** Makes a token. With `lifeMillis` it is a JWT that ends by itself. */
  issue(lifeMillis?: number): string {
    this.#issued += 1;
    const exp = lifeMillis === undefined ? undefined : (Date.now() + lifeMillis) / 1_000;
    const claims = Buffer.from(JSON.stringify({ jti: this.#issued, exp })).toString("base64url");
    const token = `e30.${claims}.SECRET${this.#issued}`;
    const end = new AbortController();
    if (lifeMillis !== undefined) setTimeout(() => end.abort(), lifeMillis).unref();
    this.#ends.set(token, end);
    return token;
  }

  /** Ends all tokens, and the streams that began with them. */
  expireAll(): void {
    for (const end of this.#ends.values()) end.abort();
  }

  readonly interceptor: Interceptor = (next) => async (request) => {
    const { name } = request.method;
    const header = request.header.get("authorization");
    const token = header?.replace(/^Bearer /, "");
    this.calls.push({ method: name, token });
    if (token === undefined) throw this.#refusal(ErrorReason.TOKEN_MISSING);
    const end = this.#ends.get(token)?.signal;
    if (end === undefined) throw this.#refusal(ErrorReason.TOKEN_INVALID);
    const check = () => {
      if (end.aborted) throw this.#refusal(ErrorReason.TOKEN_EXPIRED);
    };
    check();
    if (this.forbidden.has(name)) throw this.#refusal(ErrorReason.PERMISSION_DENIED);
    if (!request.stream) return next(request);
    const response = (await next({ ...request, message: checked(request.message, check) })) as StreamResponse;
    return { ...response, message: untilEnd(response.message, end, check) };
  };

  #refusal(reason: ErrorReason): ConnectError {
    this.refusals.push(ErrorReason[reason]);
    const code = reason === ErrorReason.PERMISSION_DENIED ? Code.PermissionDenied : Code.Unauthenticated;
    return new ConnectError("refused by the guard", code, undefined, [{ desc: ErrorDetailSchema, value: { reason } }]);
  }
}

async function* checked<T>(messages: AsyncIterable<T>, check: () => void): AsyncGenerator<T> {
  for await (const message of messages) {
    check();
    yield message;
  }
}

/** Gives messages until the token ends, also while no message comes. */
async function* untilEnd<T>(messages: AsyncIterable<T>, end: AbortSignal, check: () => void): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  const ended = Promise.withResolvers<undefined>();
  const onEnd = () => ended.resolve(undefined);
  end.addEventListener("abort", onEnd);
  try {
    for (;;) {
      check();
      const next = iterator.next();
      next.catch(() => {});
      const result = await Promise.race([next, ended.promise]);
      if (result === undefined) continue;
      if (result.done) return;
      yield result.value;
    }
  } finally {
    end.removeEventListener("abort", onEnd);
    iterator.return?.().catch(() => {});
  }
}

/** Starts a server on a free port that a guard protects. */
export async function startGuarded(guard: Guard): Promise<RunningServer> {
  const streamkit = createStreamkit({ storage: memoryStorage(), interceptors: [guard.interceptor] });
  const listener = await streamkit.listen({ port: 0 });
  return { streamkit, listener, [Symbol.asyncDispose]: () => streamkit.close() };
}
