import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StreamkitError, type StreamkitErrorReason } from "../errors/error.ts";
import type { RetryEvent } from "../retry/backoff.ts";
import { Credentials } from "./credentials.ts";
import type { Token } from "./token.ts";

const START = 1_800_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A JWT that lives for so many seconds from now on. */
function jwt(seconds: number, id = 0): string {
  const claims = Buffer.from(JSON.stringify({ exp: Date.now() / 1_000 + seconds, id }));
  return `e30.${claims.toString("base64url")}.c2ln`;
}

const refusal = (reason: StreamkitErrorReason = "TOKEN_EXPIRED", retryable = false) =>
  new StreamkitError(reason, "unauthenticated", "no", { retryable });

/** Credentials over a function, and a record of its calls. */
function over(answer: (call: number) => string | Promise<string>) {
  const events: RetryEvent[] = [];
  const asked = vi.fn(() => answer(asked.mock.calls.length));
  const onRetry = (event: RetryEvent) => void events.push(event);
  const credentials = new Credentials(asked, 30_000, { retry: {}, onRetry });
  const get = (signal?: AbortSignal, millis = 30_000) => credentials.get(millis, signal);
  return { credentials, asked, events, get };
}

const textOf = async (token: Token | Promise<Token>) => (await token).headers.authorization;

test("asks once for all callers, and keeps the token", async () => {
  const { asked, get } = over((call) => `token-${call}`);
  const all = Array.from({ length: 100 }, () => textOf(get()));
  expect(new Set(await Promise.all(all))).toEqual(new Set(["Bearer token-1"]));
  expect(get()).not.toBeInstanceOf(Promise);
  expect(asked).toHaveBeenCalledTimes(1);
});

test("never asks for anything with a fixed token", async () => {
  const credentials = new Credentials(jwt(-5), 30_000, { retry: {}, onRetry: undefined });
  const token = (await credentials.get(1, undefined)) as Token;
  expect(credentials.failed(token, refusal("TOKEN_EXPIRED", true))).toMatchObject({
    reason: "TOKEN_EXPIRED",
    retryable: false,
  });
  expect(await credentials.get(1, undefined)).toBe(token);
});

test("gets the next token ahead of the end, while calls use the present one", async () => {
  const next = Promise.withResolvers<string>();
  const { asked, get } = over((call) => (call === 1 ? jwt(100) : next.promise));
  const first = await get();
  vi.setSystemTime(START + 62_000);
  expect(get()).toBe(first);
  expect(asked).toHaveBeenCalledTimes(1);
  vi.setSystemTime(START + 71_000);
  expect([get(), get()]).toEqual([first, first]);
  await Promise.resolve();
  expect(asked).toHaveBeenCalledTimes(2);
  next.resolve(jwt(100, 2));
  await vi.advanceTimersByTimeAsync(0);
  expect(get()).not.toBe(first);
  expect(asked).toHaveBeenCalledTimes(2);
});

test("keeps the present token while the function fails ahead of the end, and asks again with pauses", async () => {
  const failure = new Error("down");
  const { asked, events, get } = over((call) => (call === 1 ? jwt(600) : Promise.reject(failure)));
  const first = await get();
  for (let at = 500_000; at < 599_000; at += 250) {
    vi.setSystemTime(START + at);
    expect(get()).toBe(first);
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(events.length).toBe(asked.mock.calls.length - 1);
  expect(events.map(({ attempt }) => attempt)).toEqual(events.map((_, i) => i + 1));
  expect(events[0].error).toMatchObject({ reason: "TOKEN_FAILED", retryable: true, cause: failure });
  // 396 looks, and a mean pause of 2.5 s in the end.
  expect(events.length).toBeGreaterThan(15);
  expect(events.length).toBeLessThan(120);
  vi.setSystemTime(START + 600_000);
  await expect(get()).rejects.toMatchObject({ reason: "TOKEN_FAILED" });
});

test("waits for another token once the present one has ended", async () => {
  const { get } = over((call) => jwt(10, call));
  const first = await get();
  vi.setSystemTime(START + 10_000);
  const second = get();
  expect(second).toBeInstanceOf(Promise);
  expect(await second).not.toBe(first);
});

test("uses a token that seems to have expired until a server refuses it: clocks differ", async () => {
  const { asked, get } = over(() => jwt(-3_600));
  const first = await get();
  vi.setSystemTime(START + 86_400_000);
  expect(get()).toBe(first);
  expect(asked).toHaveBeenCalledTimes(1);
});

test("gets one token in place of a refused one, with one verdict for all calls that used it", async () => {
  const { credentials, asked, get } = over((call) => `token-${call}`);
  const token = await get();
  credentials.accepted(token);
  const verdicts = Array.from({ length: 50 }, () => credentials.failed(token, refusal()));
  expect(verdicts.every(({ reason, retryable }) => reason === "TOKEN_EXPIRED" && retryable)).toBe(true);
  const seconds = await Promise.all(Array.from({ length: 50 }, () => get()));
  expect(asked).toHaveBeenCalledTimes(2);
  expect(credentials.failed(token, refusal()).retryable).toBe(true);
  expect(get()).toBe(seconds[0]);
});

test("gives up when the server refuses the token in place of a refused one", async () => {
  const { credentials, asked, get } = over((call) => `token-${call}`);
  const first = await get();
  expect(credentials.failed(first, refusal("TOKEN_INVALID")).retryable).toBe(true);
  const second = await get();
  for (let call = 0; call < 50; call++) expect(credentials.failed(second, refusal()).retryable).toBe(false);
  expect(asked).toHaveBeenCalledTimes(2);
  // A later call asks once more, and a token that a server accepts may be replaced again.
  const third = await get();
  expect(asked).toHaveBeenCalledTimes(3);
  credentials.failed(third, new StreamkitError("PERMISSION_DENIED", "permission_denied", "no"));
  expect(credentials.failed(third, refusal()).retryable).toBe(true);
});

test("a failure without an answer is no acceptance", async () => {
  const { credentials, get } = over((call) => `token-${call}`);
  credentials.failed(await get(), refusal());
  const second = await get();
  credentials.failed(second, new StreamkitError("CONNECTION_LOST", "unavailable", "", { retryable: true }));
  credentials.failed(second, new StreamkitError("CANCELED", "canceled", ""));
  expect(credentials.failed(second, refusal()).retryable).toBe(false);
});

test("replaces a token on trial that ended before a server saw it", async () => {
  const { credentials, get } = over(() => jwt(5));
  credentials.failed(await get(), refusal());
  const second = await get();
  vi.setSystemTime(START + 5_000);
  expect(credentials.failed(second, refusal()).retryable).toBe(true);
});

test("asks for no other token when the server says that there was none", async () => {
  const { credentials, get } = over(() => "token");
  const token = await get();
  credentials.accepted(token);
  expect(credentials.failed(token, refusal("TOKEN_MISSING", true)).retryable).toBe(false);
  expect(get()).toBe(token);
});

test("a silent function fails the calls that wait, and the next call asks again", async () => {
  const { asked, get } = over((call) => (call === 1 ? new Promise(() => {}) : "token"));
  const failed = expect(get()).rejects.toMatchObject({ reason: "TOKEN_FAILED", retryable: true });
  const hurried = expect(get(undefined, 1_000)).rejects.toThrow("gave no token within 1000 ms");
  await vi.advanceTimersByTimeAsync(1_000);
  await hurried;
  await vi.advanceTimersByTimeAsync(29_000);
  await failed;
  expect(await textOf(get())).toBe("Bearer token");
  expect(asked).toHaveBeenCalledTimes(2);
});

test("the signal of one caller ends its wait, and not that of others", async () => {
  const answer = Promise.withResolvers<string>();
  const { asked, get } = over(() => answer.promise);
  const controller = new AbortController();
  const reason = new Error("enough");
  const [left, stays] = [get(controller.signal), get()];
  controller.abort(reason);
  await expect(left).rejects.toBe(reason);
  answer.resolve("token");
  expect(await textOf(stays)).toBe("Bearer token");
  expect(asked).toHaveBeenCalledTimes(1);
});

test("names the option when the function throws or returns no token, and does not tell the value", async () => {
  const error = new TypeError("inner");
  const thrown = over(() => {
    throw error;
  });
  await expect(thrown.get()).rejects.toMatchObject({
    reason: "TOKEN_FAILED",
    message: "the function of the option `token` threw; `cause` is its error",
    cause: error,
  });
  for (const bad of ["", "sec ret", "sec\nret", { secret: 1 }, undefined, 4242, "s".repeat(9_000)]) {
    const failure = await Promise.resolve(over(() => bad as string).get()).catch((thrown) => thrown);
    expect(failure).toMatchObject({ reason: "TOKEN_FAILED", code: "unauthenticated", retryable: false });
    expect(failure.message).toMatch(/^the function of the option `token` must return a token of 1 to/);
    expect(String(failure.stack)).not.toMatch(/sec|ret\b|4242|sss/);
  }
});

test("an error of the application's own kind reaches the caller as it is", async () => {
  const own = new StreamkitError("UNAUTHENTICATED", "unauthenticated", "the user has logged out");
  await expect(over(() => Promise.reject(own)).get()).rejects.toBe(own);
});
