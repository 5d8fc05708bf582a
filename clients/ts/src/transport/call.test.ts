import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStreamkitClient, describeTransport, type RetryEvent } from "../index.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const ADDRESS = "http://server.example:8080";

/**
 * A transport with scripted streams, whose calls get no answer. It ignores signals, as the worst transports do.
 */
class ScriptedTransport {
  opened = 0;
  probes = 0;
  timeouts: (number | undefined)[] = [];
  readonly #said: object[] = [];
  #wake: (() => void) | undefined;

  say(response: object): void {
    this.#said.push(response);
    this.#wake?.();
  }

  transport(duplex = true): Transport {
    const unary = (_method: unknown, _signal: unknown, timeoutMs: number | undefined) => {
      this.timeouts.push(timeoutMs);
      return new Promise(() => {});
    };
    const stream = async (method: unknown) => {
      this.opened += 1;
      return { stream: true, method, message: this.#responses() };
    };
    const plain = { unary, stream } as unknown as Transport;
    const probe = () => (this.probes += 1);
    return describeTransport(plain, { format: "json", duplex, address: ADDRESS, probe });
  }

  async *#responses(): AsyncGenerator<object> {
    for (;;) {
      const response = this.#said.shift();
      if (response !== undefined) yield response;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp(options: { timeoutMillis?: number; maxAttempts?: number; duplex?: boolean } = {}) {
  const scripted = new ScriptedTransport();
  const retries: RetryEvent[] = [];
  const client = createStreamkitClient({
    transport: scripted.transport(options.duplex),
    timeoutMillis: options.timeoutMillis ?? 5_000,
    retry: { initialDelayMillis: 0, maxDelayMillis: 0, maxAttempts: options.maxAttempts ?? 2 },
    onRetry: (event) => retries.push(event),
  });
  return { scripted, retries, segment: client.store(STORE).space("s").segment("a"), store: client.store(STORE) };
}

const lost = (rpc: string) => ({
  reason: "CONNECTION_LOST",
  retryable: true,
  message: expect.stringContaining(`${rpc} at ${ADDRESS}`),
});

/** A few milliseconds for the pauses between attempts, which take at least a turn of the timers. */
const PAUSES = 5;

/** Settles after exactly so many milliseconds. */
async function rejectsAfter(promise: Promise<unknown>, millis: number, error: object): Promise<void> {
  let settled = false;
  const seen = expect(promise).rejects.toMatchObject(error);
  promise.catch(() => {}).finally(() => (settled = true));
  await vi.advanceTimersByTimeAsync(millis - 1);
  expect(settled).toBe(false);
  await vi.advanceTimersByTimeAsync(1 + PAUSES);
  await seen;
  expect(vi.getTimerCount()).toBe(0);
}

test("H8: a read without follow whose server says nothing is tried again, then fails", async () => {
  const { scripted, segment } = setUp();
  const first = segment.consume()[Symbol.asyncIterator]().next();
  await rejectsAfter(first, 10_000, lost("ConsumeSegment"));
  expect([scripted.opened, scripted.probes]).toEqual([2, 2]);
});

test("H8: a read without follow is resumed when its server falls silent in the middle", async () => {
  const { scripted, segment } = setUp({ maxAttempts: 1 });
  const iterator = segment.consume()[Symbol.asyncIterator]();
  scripted.say({ batches: [], nextSequence: 7n, caughtUp: false });
  const next = iterator.next();
  await vi.advanceTimersByTimeAsync(4_999);
  // Progress, even without entries, restarts the time.
  scripted.say({ batches: [], nextSequence: 9n, caughtUp: false });
  const place = 'segment "a" of space "s", at sequence 9';
  await rejectsAfter(next, 5_000, { reason: "CONNECTION_LOST", message: expect.stringContaining(place) });
});

test("H8: follow waits for the first response as for every answer, then for two heartbeats", async () => {
  const { scripted, retries, segment } = setUp({ maxAttempts: 9 });
  const iterator = segment.follow({ heartbeatInterval: 20_000 })[Symbol.asyncIterator]();
  const next = iterator.next();
  await vi.advanceTimersByTimeAsync(5_000 + PAUSES);
  expect(retries.map(({ error }) => error)).toMatchObject([lost("ConsumeSegment")]);
  scripted.say({ batches: [], nextSequence: 1n, caughtUp: true });
  await vi.advanceTimersByTimeAsync(39_999);
  expect(retries).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1 + PAUSES);
  expect(retries).toHaveLength(2);
  await iterator.return();
  await next;
  expect(vi.getTimerCount()).toBe(0);
});

test("H8: subscriptions wait likewise", async () => {
  const { scripted, retries, segment, store } = setUp();
  const status = segment.subscribe({ heartbeatInterval: 20_000 });
  const workers = store.presence("g").watch({ interval: 20_000 });
  const [first, second] = [status.next(), workers.next()];
  await vi.advanceTimersByTimeAsync(5_000 + PAUSES);
  const rpcs = retries.map(({ error }) => error);
  expect(rpcs).toMatchObject([lost("SubscribeToSegmentStatus"), lost("SubscribeToWorkers")]);
  expect(scripted.opened).toBe(4);
  status.close();
  workers.close();
  await Promise.all([first, second]);
  expect(vi.getTimerCount()).toBe(0);
});

test("H8: a Produce session that gets no answer is made again, then fails; an idle one waits for nothing", async () => {
  const { scripted, segment } = setUp();
  await rejectsAfter(segment.produce([{ payload: Uint8Array.of(1) }]), 10_000, {
    ...lost("Produce"),
    acknowledged: { records: 0, transactions: 0 },
  });
  expect([scripted.opened, scripted.probes]).toEqual([2, 2]);
});

test("H8: a unary call over a transport that minds no timeout ends all the same", async () => {
  const { segment } = setUp({ maxAttempts: 1 });
  await rejectsAfter(segment.status(), 6_000, lost("GetSegmentStatus"));
});

test.each([
  [Number.POSITIVE_INFINITY, undefined],
  [2 ** 40, undefined],
  [30 * 86_400_000, undefined],
  [86_400_000, 86_400_000],
])("M10: a timeout of %d ms is a long one", async (timeoutMillis, wire) => {
  const { scripted, segment } = setUp({ timeoutMillis });
  const controller = new AbortController();
  let settled = false;
  for (const call of [
    segment.status(),
    segment.consume({ signal: controller.signal })[Symbol.asyncIterator]().next(),
  ]) {
    call.catch(() => {}).finally(() => (settled = true));
  }
  await vi.advanceTimersByTimeAsync(80_000_000);
  expect(settled).toBe(false);
  // Of the status, and of the call with which the read tries long polling.
  expect(scripted.timeouts).toEqual([wire, wire]);
  controller.abort();
});

test("an error of the server says RPC and address, too", async () => {
  const refused = new ConnectError("no", Code.PermissionDenied);
  const plain = { unary: () => Promise.reject(refused), stream: () => Promise.reject(refused) } as unknown as Transport;
  const transport = describeTransport(plain, { format: "json", duplex: true, address: ADDRESS });
  const segment = createStreamkitClient({ transport }).store(STORE).space("s").segment("a");
  const message = (rpc: string) => ({ reason: "PERMISSION_DENIED", message: `no (${rpc} at ${ADDRESS})` });
  await expect(segment.publish(new Uint8Array(0))).rejects.toMatchObject(message("Append"));
  await expect(segment.produce([new Uint8Array(0)])).rejects.toMatchObject(message("Produce"));
});

test("M13: a mistake is told at once; from a server that has answered before it is an outage", async () => {
  let broken = true;
  const page = new ConnectError("unsupported content type text/html", Code.Unknown);
  const unary = async (method: { output: object }) => {
    if (broken) throw page;
    return { message: { segment: "a", status: { firstSequence: 1n, lastSequence: 1n } }, method };
  };
  const transport = describeTransport({ unary, stream: unary } as unknown as Transport, {
    format: "json",
    duplex: true,
  });
  const retries: RetryEvent[] = [];
  const client = createStreamkitClient({
    transport,
    retry: { initialDelayMillis: 0, maxDelayMillis: 0, maxAttempts: 3 },
    onRetry: (event) => retries.push(event),
  });
  const segment = client.store(STORE).space("s").segment("a");
  await expect(segment.status()).rejects.toMatchObject({ reason: "MISCONFIGURED", retryable: false });
  expect(retries).toEqual([]);
  broken = false;
  await segment.status();
  broken = true;
  const failing = expect(segment.status()).rejects.toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
  await vi.advanceTimersByTimeAsync(10);
  await failing;
  expect(retries).toHaveLength(2);
});
