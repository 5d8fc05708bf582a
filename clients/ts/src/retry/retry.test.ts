import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { failure, ModelService, unavailable } from "../../test/model-service.ts";
import { StreamkitError } from "../errors/error.ts";
import { createStreamkitClient } from "../index.ts";
import { backoffMillis, type RetryEvent } from "./backoff.ts";
import { withRetry } from "./retry.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

afterEach(() => {
  vi.useRealTimers();
});

test("delays are a random part of a bound that doubles up to a maximum", () => {
  const options = { initialDelayMillis: 10, maxDelayMillis: 35 };
  const bounds = [1, 2, 3, 4, 1_000].map((attempt) => backoffMillis(attempt, options, 0, () => 1));
  expect(bounds).toEqual([10, 20, 35, 35, 35]);
  expect(backoffMillis(3, options, 0, () => 0)).toBe(0);
  expect(backoffMillis(1, options, 500, () => 0.5)).toBe(505);
  fc.assert(
    fc.property(fc.integer({ min: 1 }), fc.nat(10_000), (attempt, retryAfter) => {
      const millis = backoffMillis(attempt, {}, retryAfter);
      return millis >= retryAfter && millis <= retryAfter + 5_000;
    }),
  );
});

test("waits as long as the server asks, and tells of it", async () => {
  vi.useFakeTimers();
  const events: RetryEvent[] = [];
  const busy = new StreamkitError("OVERLOADED", "resource_exhausted", "", { retryable: true, retryAfterMillis: 2_000 });
  let attempts = 0;
  const policy = { retry: { initialDelayMillis: 0 }, onRetry: (event: RetryEvent) => void events.push(event) };
  const result = withRetry(policy, undefined, async () => {
    attempts += 1;
    if (attempts === 1) throw busy;
    return "done";
  });
  await vi.advanceTimersByTimeAsync(1_999);
  expect(attempts).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(await result).toBe("done");
  expect(events).toEqual([{ attempt: 1, delayMillis: 2_000, error: busy }]);
});

test("a refused token uses up no attempt and no time; more refusals without progress do", async () => {
  vi.useFakeTimers();
  const events: RetryEvent[] = [];
  const refusal = new StreamkitError("TOKEN_EXPIRED", "unauthenticated", "", { retryable: true });
  const policy = { retry: { maxAttempts: 3 }, onRetry: (event: RetryEvent) => void events.push(event) };
  let attempts = 0;
  const result = withRetry(policy, undefined, async () => {
    attempts += 1;
    throw refusal;
  }).catch((error) => error);
  await Promise.resolve();
  await Promise.resolve();
  expect(events).toEqual([{ attempt: 1, delayMillis: 0, error: refusal }]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await result).toBe(refusal);
  expect([attempts, events.map(({ attempt }) => attempt)]).toEqual([4, [1, 1, 2]]);
  expect(events.slice(1).every(({ delayMillis }) => delayMillis > 0)).toBe(true);
});

test("a failure to get a token counts as any other failure", async () => {
  const failure = new StreamkitError("TOKEN_FAILED", "unauthenticated", "", { retryable: true });
  let attempts = 0;
  const result = withRetry({ retry: { maxAttempts: 1 }, onRetry: undefined }, undefined, async () => {
    attempts += 1;
    throw failure;
  });
  await expect(result).rejects.toBe(failure);
  expect(attempts).toBe(1);
});

test("the signal ends the wait", async () => {
  vi.useFakeTimers();
  const controller = new AbortController();
  const result = withRetry({ retry: {}, onRetry: undefined }, controller.signal, async () => {
    throw new StreamkitError("STORAGE_UNAVAILABLE", "unavailable", "", { retryable: true, retryAfterMillis: 60_000 });
  });
  const ended = expect(result).rejects.toMatchObject({ reason: "CANCELED" });
  await vi.advanceTimersByTimeAsync(10);
  controller.abort();
  await ended;
  expect(vi.getTimerCount()).toBe(0);
});

test("a signal that fired before makes no attempt", async () => {
  let attempts = 0;
  const result = withRetry({ retry: {}, onRetry: undefined }, AbortSignal.abort(), async () => {
    attempts += 1;
  });
  await expect(result).rejects.toMatchObject({ reason: "CANCELED" });
  expect(attempts).toBe(0);
});

test("G7: an append whose answer was lost is sent again with the same id, and written once", async () => {
  const model = new ModelService();
  let lost = 2;
  model.faults.afterCommit = () => {
    if (lost-- > 0) throw unavailable();
  };
  const retry = { initialDelayMillis: 0, maxDelayMillis: 0 };
  const client = createStreamkitClient({ transport: model.transport(), retry });
  const result = await client.store(STORE).space("s").segment("a").publish(new Uint8Array(1));
  expect(result).toMatchObject({ deduplicated: true, lastSequence: 1, transactionId: model.arrivals[0] });
  expect(new Set(model.arrivals).size).toBe(1);
  expect([model.arrivals.length, model.entries.length]).toEqual([3, 1]);
});

test("what retrying cannot help is tried once", async () => {
  const model = new ModelService();
  let attempts = 0;
  model.faults.beforeResponse = () => {
    attempts += 1;
    throw failure(Code.InvalidArgument, ErrorReason.INVALID_FIELD, false);
  };
  const segment = createStreamkitClient({ transport: model.transport() }).store(STORE).space("s").segment("a");
  await expect(segment.publish(new Uint8Array(1))).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  expect(attempts).toBe(1);
});
