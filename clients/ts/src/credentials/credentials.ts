import { judged, StreamkitError } from "../errors/error.ts";
import { backoffMillis } from "../retry/backoff.ts";
import type { RetryPolicy } from "../retry/retry.ts";
import { unlessSilent } from "../silence.ts";
import { isToken, mismatch, Token } from "./token.ts";

/** A token, or the function of the application that gets one. */
export type TokenSource = string | (() => string | Promise<string>);

/**
 * The token of one client: asks the application's function for it once for all calls that wait, keeps it, and asks for
 * the next one
 *
 * - ahead of its end, if the token is a JWT. Calls use the old token meanwhile;
 * - when it has ended;
 * - after a server refused it, unless it takes the place of a refused token itself and no server has accepted it.
 */
export class Credentials {
  readonly #ask: (() => string | Promise<string>) | undefined;
  readonly #policy: RetryPolicy;
  readonly #patienceMillis: number;
  #current: Token | undefined;
  #asking: Promise<Token> | undefined;
  /** True if a server refused the latest token, so that the next one is on trial. */
  #isRefused = false;
  /** Failures in a row to get a token ahead of the end of the present one. */
  #failures = 0;
  #notBefore = 0;

  /** @param patienceMillis longest wait for the answer of the function */
  constructor(source: TokenSource, patienceMillis: number, policy: RetryPolicy) {
    this.#policy = policy;
    this.#patienceMillis = patienceMillis;
    if (typeof source === "string") this.#current = new Token(source, true);
    else this.#ask = source;
  }

  /**
   * Gives the token for a call: at once if the client has one, otherwise a promise.
   *
   * @param millis longest wait for the token
   * @throws StreamkitError TOKEN_FAILED, or an error of the application's function; the reason of the signal
   */
  get(millis: number, signal: AbortSignal | undefined): Token | Promise<Token> {
    const token = this.#current;
    if (token === undefined) return this.#wait(millis, signal);
    if (this.#ask === undefined) return token;
    const now = Date.now();
    if (now >= token.expiresAt) return this.#wait(millis, signal);
    if (now >= token.refreshAt && now >= this.#notBefore) this.#refreshAhead();
    return token;
  }

  /** Notes that a server accepted a token. */
  accepted(token: Token): void {
    token.isOnTrial = false;
    if (token === this.#current) this.#isRefused = false;
  }

  /** Notes the failure of a call. Returns the error for its caller, which is retryable if another token may help. */
  failed(token: Token, error: StreamkitError): StreamkitError {
    if (error.code !== "unauthenticated") {
      // Other final answers, such as PERMISSION_DENIED, come after the check of the token.
      if (!error.retryable && error.reason !== "CANCELED") this.accepted(token);
      return error;
    }
    // TOKEN_MISSING means that a proxy drops the header.
    if (this.#ask === undefined || error.reason === "TOKEN_MISSING") return judged(error, false);
    // All calls with one token get one verdict, so that they ask for one token, and not each for another.
    token.isReplaceable ??= !token.isOnTrial || Date.now() >= token.expiresAt;
    if (token === this.#current) {
      this.#current = undefined;
      this.#isRefused = true;
    }
    return judged(error, token.isReplaceable);
  }

  #wait(millis: number, signal: AbortSignal | undefined): Promise<Token> {
    return answered(this.#next(), millis, signal);
  }

  #refreshAhead(): void {
    if (this.#asking !== undefined) return;
    this.#next().catch((error: StreamkitError) => {
      this.#failures += 1;
      const delayMillis = backoffMillis(this.#failures, this.#policy.retry, error.retryAfterMillis);
      this.#notBefore = Date.now() + delayMillis;
      this.#policy.onRetry?.({ attempt: this.#failures, delayMillis, error });
    });
  }

  /** The next token: one question for all callers. */
  #next(): Promise<Token> {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askOnce(): Promise<Token> {
    const answer = Promise.resolve().then(this.#ask);
    const text: unknown = await answered(answer, this.#patienceMillis).catch((thrown) => {
      throw thrown instanceof StreamkitError ? thrown : tokenFailed("threw; `cause` is its error", true, thrown);
    });
    if (!isToken(text)) throw tokenFailed(`must return ${mismatch(text)}`, false);
    this.#failures = 0;
    this.#notBefore = 0;
    this.#current = new Token(text, this.#isRefused);
    return this.#current;
  }
}

/** Waits for the function. @throws StreamkitError TOKEN_FAILED after `millis`; the reason of the signal */
function answered<T>(answer: Promise<T>, millis: number, signal?: AbortSignal): Promise<T> {
  return unlessSilent(answer, millis, signal, () => tokenFailed(`gave no token within ${millis} ms`, true));
}

function tokenFailed(problem: string, retryable: boolean, cause?: unknown): StreamkitError {
  const message = `the function of the option \`token\` ${problem}`;
  return new StreamkitError("TOKEN_FAILED", "unauthenticated", message, { retryable, cause });
}
