import { stat } from "node:fs/promises";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@streamkit/protocol/health";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NotTriedError, ServerError, StoreClosedError, storageUnavailable } from "./errors.ts";
import type { StreamkitEvent } from "./event.ts";
import { Events } from "./events.ts";
import { formatEvent } from "./format-event.ts";
import { type HealthOptions, StorageHealth } from "./health.ts";
import { healthRoutes } from "./routes/health.ts";
import { memoryStorage } from "./storage/memory/index.ts";
import type { Storage } from "./storage/port.ts";

const failure = () => storageUnavailable("the database failed", new Error("EIO"));

function make(probe?: () => Promise<void>, options?: HealthOptions) {
  const inner = memoryStorage();
  const storage: Storage = {
    kind: inner.kind,
    location: inner.location,
    shared: inner.shared,
    open: inner.open.bind(inner),
    list: inner.list.bind(inner),
    close: inner.close.bind(inner),
    ...(probe && { probe }),
  };
  const events: StreamkitEvent[] = [];
  return { events, health: new StorageHealth(storage, new Events((event) => events.push(event)), options) };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("StorageHealth", () => {
  it("does not mistake a busy process for a silent storage", async () => {
    vi.useRealTimers();
    const { events, health } = make(
      async () => {
        await stat(".");
        await stat(".");
      },
      { timeoutMillis: 500 },
    );
    const probed = health.probe();
    // The answer has arrived, but the process does not read it.
    const until = performance.now() + 700;
    while (performance.now() < until);
    await probed;
    expect(health.ready().ready).toBe(true);
    expect(events).toEqual([]);
    health.close();
  });

  it("is not ready while probes fail, gives the reason, and is ready after the first success", async () => {
    const cause = Object.assign(new Error("EROFS: read-only file system, open '/data/x'"), { code: "EROFS" });
    let broken: Error | undefined = storageUnavailable("the folder is read-only", cause);
    const { health, events } = make(async () => {
      if (broken !== undefined) throw broken;
    });
    health.start();
    expect(health.ready()).toEqual({ ready: true });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(health.ready()).toEqual({ ready: false, reason: "the folder is read-only" });
    await vi.advanceTimersByTimeAsync(5_000);
    broken = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(health.ready()).toEqual({ ready: true });
    expect(events.map(({ kind, level, message }) => [kind, level, message])).toEqual([
      ["health-changed", "error", "not ready: the folder is read-only"],
      ["health-changed", "info", "ready: the storage works again"],
    ]);
    expect(formatEvent(events[0], "text")).toContain("open '/data/x'");
    health.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("probes at once when calls fail", async () => {
    const { health } = make(() => Promise.reject(new Error("/secret/path is gone")));
    health.failed(failure());
    await vi.advanceTimersByTimeAsync(0);
    expect(health.ready()).toEqual({ ready: false, reason: "the storage failed" });
    health.close();
  });

  it("is not ready while calls keep failing, even if probes succeed", async () => {
    const { health } = make(async () => {});
    for (let i = 0; i < 5; i++) health.failed(failure());
    expect(health.ready().reason).toBe("the storage failed 5 times in a row: the database failed");
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(400);
      health.failed(failure());
      expect(health.ready().ready).toBe(false);
    }
    await vi.advanceTimersByTimeAsync(2_000);
    expect(health.ready().ready).toBe(true);
    health.close();
  });

  it("follows calls alone if the storage has no probe", () => {
    const { health } = make();
    for (let i = 0; i < 4; i++) health.failed(failure());
    health.worked();
    for (let i = 0; i < 4; i++) health.failed(failure());
    expect(health.ready().ready).toBe(true);
    health.failed(failure());
    expect(health.ready().ready).toBe(false);
    health.worked();
    expect(health.ready().ready).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ignores failures that are not the storage's", () => {
    const { health } = make();
    for (let i = 0; i < 10; i++) {
      health.failed(new StoreClosedError());
      health.failed(new NotTriedError(ErrorReason.STORAGE_UNAVAILABLE, "not tried"));
      health.failed(new ServerError(ErrorReason.SEQUENCE_MISMATCH, "no"));
      health.failed(new TypeError("a defect"));
    }
    expect(health.ready().ready).toBe(true);
  });

  it("counts a probe without an answer as failed, and sends no other meanwhile", async () => {
    let probes = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const { health } = make(() => {
      probes++;
      return promise;
    });
    void health.probe();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(health.ready().reason).toBe("the storage did not answer within 10000 ms");
    void health.probe();
    expect(probes).toBe(1);
    resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(health.ready().ready).toBe(true);
    health.close();
  });
});

it("the gRPC health service follows it, with check, list and watch", async () => {
  vi.useRealTimers();
  const { health } = make();
  const shutdown = new AbortController();
  const client = createClient(
    Health,
    createRouterTransport((router) => {
      router.service(Health, healthRoutes(new Set(["a.Service"]), health, shutdown.signal));
    }),
  );
  const seen: Status[] = [];
  const change = [
    () => {
      for (let i = 0; i < 5; i++) health.failed(failure());
    },
    async () => {
      expect((await client.check({ service: "a.Service" })).status).toBe(Status.NOT_SERVING);
      expect((await client.list({})).statuses).toMatchObject({ "a.Service": { status: Status.NOT_SERVING } });
      health.worked();
    },
    async () => {
      expect((await client.check({})).status).toBe(Status.SERVING);
      shutdown.abort();
    },
  ];
  for await (const { status } of client.watch({})) {
    seen.push(status);
    await change.shift()?.();
  }
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
});
