import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createStreamkitClient, describeTransport } from "../src/index.ts";
import { failAll, guarded, reasons, told } from "./guarded-client.ts";
import { GUARDED_TRANSPORTS, Guard, startGuarded } from "./guarded-server.ts";

/** A signal, and the function that fires it. */
function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

describe.each(["Connect, HTTP/2", "WebSocket", "Connect, fetch", "in-process"])("over %s", (kind) => {
  test("a function that fails for a while holds calls and streams up, and ends none", async () => {
    let fails = false;
    await using here = await guarded(kind, {
      token: () => {
        if (fails) throw new Error("the issuer is down");
        return here.guard.issue();
      },
      retry: { initialDelayMillis: 1, maxDelayMillis: 1, maxAttempts: Number.POSITIVE_INFINITY },
      onRetry: (event) => {
        here.events.push(event);
        if (here.events.length === 20) fails = false;
      },
    });
    const segment = here.store.space("s").segment("a");
    await segment.publish(0);
    const entries = segment.follow()[Symbol.asyncIterator]();
    await entries.next();
    fails = true;
    here.guard.expireAll();
    const next = entries.next();
    await segment.publish(1);
    await segment.produce([2]);
    expect((await next).value).toMatchObject({ value: 1 });
    expect((await entries.next()).value).toMatchObject({ value: 2 });
    await entries.return();
    expect(reasons(here.events)).toContain("TOKEN_FAILED");
    const causes = here.events.map(({ error }) => error.cause).filter((cause) => cause instanceof Error);
    expect(causes.map(({ message }) => message)).toContain("the issuer is down");
  });

  const BAD: Record<string, () => unknown> = {
    "no text": () => undefined,
    "an empty text": () => "",
    "a text with line breaks": () => "SECRET\r\nx: y",
    "a text that is too long": () => "SECRET".repeat(2_000),
    "the answer of the issuer": () => ({ access_token: "SECRET" }),
  };
  test.each(Object.keys(BAD))("a function that returns %s fails every kind of call at once", async (bad) => {
    let asked = 0;
    await using here = await guarded(kind, {
      token: async () => {
        asked += 1;
        return BAD[bad]() as string;
      },
    });
    const failures = await failAll(here.store);
    for (const failure of failures) {
      expect(failure).toMatchObject({ reason: "TOKEN_FAILED", code: "unauthenticated", retryable: false });
      expect(failure.message).toContain("option `token`");
      expect(told(failure)).not.toContain("SECRET");
    }
    expect(asked).toBe(failures.length);
    expect(here.events).toEqual([]);
    expect(here.guard.attempts).toEqual([]);
  });

  test("a silent function fails every kind of call in time", async () => {
    await using here = await guarded(kind, {
      token: () => new Promise(() => {}),
      timeoutMillis: 50,
      retry: { maxAttempts: 2, initialDelayMillis: 1 },
    });
    for (const failure of await failAll(here.store, ["follow", "subscribe"])) {
      expect(failure).toMatchObject({ reason: "TOKEN_FAILED", code: "unauthenticated", retryable: true });
      expect(failure.message).toContain("the function of the option `token` gave no token within 50 ms");
    }
    expect(here.guard.attempts).toEqual([]);
  });

  test("the caller's signal ends a call that waits for a token", async () => {
    await using here = await guarded(kind, { token: () => new Promise(() => {}) });
    const segment = here.store.space("s").segment("a");
    const { signal, abort } = abortable();
    const calls = [
      segment.publish(1, { signal }),
      segment.produce([1], { signal }),
      segment.follow({ signal })[Symbol.asyncIterator]().next(),
      segment.status({ signal }),
    ].map((call) => call.catch((error) => error));
    const subscription = segment.subscribe({ signal }).next();
    abort();
    for (const failure of await Promise.all(calls)) expect(failure).toMatchObject({ reason: "CANCELED" });
    expect(await subscription).toEqual({ done: true, value: undefined });
  });
});

test("a call and its wait for the token have one limit", async () => {
  const guard = new Guard();
  await using server = await startGuarded(guard);
  const timeouts: (number | undefined)[] = [];
  const below = GUARDED_TRANSPORTS["in-process"](server);
  const transport = describeTransport(
    {
      unary: (method, signal, timeoutMillis, ...rest) => {
        timeouts.push(timeoutMillis);
        return below.unary(method, signal, timeoutMillis, ...rest);
      },
      stream: (...call) => below.stream(...call),
    },
    { format: "binary", duplex: true },
  );
  const token = async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return guard.issue();
  };
  const segment = createStreamkitClient({ transport, token, timeoutMillis: 60_000 })
    .store(randomUUID())
    .space("s")
    .segment("a");
  await segment.status();
  await segment.status();
  expect(timeouts[0]).toBeLessThan(59_950);
  expect(timeouts[1]).toBeGreaterThan(59_950);
});

test("a commit of a cursor that met an expired token takes no cursor of another process for its own", async () => {
  await using here = await guarded("Connect, HTTP/2");
  const { cursors } = here.store;
  await cursors.commit("cursor", { s: 1 }, { expectedVersion: 0 });
  here.guard.expireAll();
  // The same offsets on the same version, by another process. The first attempt of this one was refused, unheard.
  await expect(cursors.commit("cursor", { s: 1 }, { expectedVersion: 0 })).rejects.toMatchObject({
    reason: "CURSOR_CONFLICT",
  });
  expect(reasons(here.events)).toEqual(["TOKEN_EXPIRED"]);
});

test("two clients on one transport have a token each", async () => {
  const guard = new Guard();
  await using server = await startGuarded(guard);
  for (const kind of ["WebSocket", "Connect, HTTP/2"]) {
    const transport = GUARDED_TRANSPORTS[kind](server);
    const tokens = [guard.issue(), guard.issue()];
    const segments = tokens.map((token) =>
      createStreamkitClient({ transport, token }).store(randomUUID()).space("s").segment("a"),
    );
    guard.calls.length = 0;
    for (let turn = 0; turn < 3; turn++) for (const segment of segments) await segment.status();
    expect(guard.calls.map(({ token }) => token)).toEqual([...tokens, ...tokens, ...tokens]);
  }
});

test.each(["streams", "long polling"])(
  "reads of segments, spaces and several spaces outlive their tokens, by %s",
  async (way) => {
    const longPolling = way === "streams" ? "never" : "always";
    await using here = await guarded("Connect, HTTP/2", { longPolling });
    const { store, guard } = here;
    const space = store.space("s");
    const reads = [space.segment("a").follow(), space.follow(), store.follow({ spaces: { s: 0, t: 0 } })].map((read) =>
      read[Symbol.asyncIterator](),
    );
    await space.segment("a").publish(0);
    for (let n = 0; n < 12; n++) {
      const next = space.segment("a").publish(n + 1);
      for (const read of reads) {
        expect((await read.next()).value?.value).toBe(n);
      }
      await next;
      if (n % 3 === 1) guard.expireAll();
    }
    for (const read of reads) await read.return();
    expect(new Set(reasons(here.events))).toEqual(new Set(["TOKEN_EXPIRED"]));
    expect(here.asked.length).toBeGreaterThan(3);
  },
);
