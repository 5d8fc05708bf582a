import { describe, expect, test } from "vitest";
import { ModelService } from "../test/model-service.ts";
import { createStreamkitClient, describeTransport, json } from "./index.ts";
import { createNodeTransport } from "./node.ts";
import { checkOptions, count, fields, millis, shown, text } from "./options.ts";
import { createWebTransport } from "./web.ts";

const transport = new ModelService().transport();
const client = createStreamkitClient({ transport });
const store = client.store("6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
const space = store.space("s");
const segment = space.segment("a");
const { leases, cursors } = store;
const presence = store.presence("g");
const handler = () => {};
const consumer = { name: "c", spaces: ["s"], handler };
const claim = { key: "k", holder: "h", fencingToken: 1 };

/** Methods with options, and good options, to which a test adds a bad one. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments are wrong on purpose.
type Call = [name: string, call: (options: any) => unknown, good?: object];
const CALLS: Call[] = [
  ["createStreamkitClient", createStreamkitClient, { transport }],
  ["createNodeTransport", createNodeTransport, { baseUrl: "http://127.0.0.1:1" }],
  ["createWebTransport", createWebTransport, { baseUrl: "http://127.0.0.1:1" }],
  ["listStores", (options) => client.listStores(options)],
  ["serverInfo", (options) => client.serverInfo(options)],
  ["store.consume", (options) => store.consume(options), { spaces: { s: 1 } }],
  ["store.follow", (options) => store.follow(options), { spaces: { s: 1 } }],
  ["store.listSpaces", (options) => store.listSpaces(options)],
  ["store.exists", (options) => store.exists(options)],
  ["store.get", (options) => store.get(options)],
  ["store.delete", (options) => store.delete(options)],
  ["store.withLease", (options) => store.withLease("k", options, async () => {}), { ttl: 1_000 }],
  ["store.consumer", (options) => store.consumer(options), consumer],
  ["consumer.stop", (options) => store.consumer(consumer).stop(options)],
  ["consumer.lag", (options) => store.consumer(consumer).lag(options)],
  ["space.append", (options) => space.append([{ segment: "a" }], options)],
  ["space.append, a segment", (append) => space.append([append]), { segment: "a" }],
  ["space.produce", (options) => space.produce([], options)],
  ["space.produce, an item", (item) => space.produce([item]), { segment: "a", record: Uint8Array.of(1) }],
  ["space.session", (options) => space.session(options)],
  ["session.append", (options) => space.session().append([{ segment: "a" }], options)],
  ["space.consume", (options) => space.consume(options)],
  ["space.follow", (options) => space.follow(options)],
  ["space.subscribe", (options) => space.subscribe(options)],
  ["space.subscribe, handlers", (handlers) => space.subscribe({}, handlers).close(), { onStatus: handler }],
  ["space.status", (options) => space.status(options)],
  ["space.listSegments", (options) => space.listSegments(options)],
  ["space.delete", (options) => space.delete(options)],
  ["segment.publish", (options) => segment.publish(Uint8Array.of(1), options)],
  ["segment.append", (options) => segment.append([], options)],
  ["segment.produce", (options) => segment.produce([], options)],
  ["segment.peek", (options) => segment.peek(options)],
  ["segment.consume", (options) => segment.consume(options)],
  ["segment.follow", (options) => segment.follow(options)],
  ["segment.subscribe", (options) => segment.subscribe(options)],
  ["segment.status", (options) => segment.status(options)],
  ["segment.trim", (options) => segment.trim(options), { beforeSequence: 1 }],
  ["segment.delete", (options) => segment.delete(options)],
  ["leases.acquire", (options) => leases.acquire("k", "h", options)],
  ["leases.renew", (options) => leases.renew(claim, options)],
  ["leases.release", (options) => leases.release(claim, options)],
  ["leases.get", (options) => leases.get("k", options)],
  ["leases.list", (options) => leases.list(options)],
  ["cursors.get", (options) => cursors.get("c", options)],
  ["cursors.commit", (options) => cursors.commit("c", { s: 1 }, options)],
  ["cursors.list", (options) => cursors.list(options)],
  ["cursors.delete", (options) => cursors.delete("c", options)],
  ["presence.watch", (options) => presence.watch(options)],
  ["presence.join", (options) => presence.join(options), { id: "w" }],
  ["presence.list", (options) => presence.list(options)],
];

/** The error of a call, thrown at once or later. */
async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

const refused = (field: unknown, description: unknown = expect.any(String)) =>
  expect.objectContaining({
    name: "StreamkitError",
    reason: "INVALID_FIELD",
    code: "invalid_argument",
    fieldViolations: [{ field, description }],
  });

describe.each(CALLS)("%s", (_, call, good = {}) => {
  test("refuses a field that it does not know", async () => {
    expect(await thrownBy(() => call({ ...good, nonsense: 1 }))).toEqual(
      refused(expect.stringMatching(/nonsense$/), expect.stringMatching(/^is not known; known: /)),
    );
  });

  test.each([
    ["null", null],
    ["an array", []],
    ["a string", "options"],
    ["a Map", new Map()],
    ["a signal that is not in an object", new AbortController().signal],
  ])("refuses %s in place of an object", async (_, value) => {
    const error = await thrownBy(() => call(value));
    expect(error).toEqual(refused(expect.any(String), expect.stringMatching(/^must be .*; got /)));
  });
});

/** Wrong values of fields. */
const WRONG: readonly [name: string, field: string, values: readonly unknown[]][] = [
  ["createStreamkitClient", "transport", [null, {}, "http://127.0.0.1:8080"]],
  ["createStreamkitClient", "timeoutMillis", [0, -1, Number.NaN, "1000", 1_000n]],
  ["createStreamkitClient", "wireFormat", ["xml", 1]],
  ["createStreamkitClient", "onRetry", [true, {}]],
  ["createStreamkitClient", "retry", [3, [], null]],
  ["createNodeTransport", "baseUrl", [1, new URL("http://127.0.0.1:1")]],
  ["createNodeTransport", "httpVersion", ["1", 2, "3"]],
  ["createNodeTransport", "protocol", ["http", "grpcweb"]],
  ["createNodeTransport", "json", ["yes"]],
  ["createNodeTransport", "interceptors", [() => {}, [1]]],
  ["createNodeTransport", "readMaxBytes", [0, "8M"]],
  ["createNodeTransport", "pingIntervalMillis", [0, Number.NaN]],
  ["createWebTransport", "protocol", ["grpc"]],
  ["createWebTransport", "fetch", [true]],
  ["store.consume", "spaces", [["s"], "s", 1, new Set(["s"]), {}]],
  ["store.consume", "follow", [1, "true", null]],
  ["store.consume", "signal", [new AbortController(), {}, true]],
  ["space.consume", "minOffset", [-1, 1.5, "1", Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2n ** 53n, new Date()]],
  ["space.consume", "segmentPrefix", [1, /a/]],
  ["space.consume", "minTime", [1, "2026-01-01", new Date(Number.NaN), { micros: 0.5 }, {}]],
  ["space.consume", "onCaughtUp", [true]],
  ["segment.follow", "heartbeatInterval", [0, 99, 3_600_001, Number.POSITIVE_INFINITY, "15s"]],
  ["segment.consume", "limit", [-1, 0.1, "10"]],
  ["segment.consume", "last", [-1, Number.POSITIVE_INFINITY]],
  ["segment.append", "expectedLastSequence", [-1, -1n, 0.5, "0", null, 2n ** 64n]],
  ["segment.append", "transactionId", [1, null]],
  ["segment.trim", "beforeSequence", [-1, "2"]],
  ["space.produce", "maxBatchRecords", [0, -1, 1_001, Number.NaN, Number.POSITIVE_INFINITY]],
  ["space.produce", "maxBatchBytes", [0, 1_048_577]],
  ["space.produce", "linger", [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]],
  ["space.produce", "maxInFlight", [0, Number.NaN, Number.POSITIVE_INFINITY]],
  ["space.produce", "maxInFlightBytes", [0, -1]],
  ["space.produce", "onAck", ["yes"]],
  ["space.session", "maxInFlight", [0, Number.NaN]],
  ["store.listSpaces", "pageSize", [0, -1, 1_001, 1.5, "10"]],
  ["store.listSpaces", "prefix", [1, null]],
  ["store.withLease", "ttl", [0, 999, 86_400_001, "30s", Number.NaN]],
  ["store.withLease", "wait", [-1, Number.NaN]],
  ["leases.acquire", "ttl", [0, Number.POSITIVE_INFINITY]],
  ["cursors.commit", "expectedVersion", [-1, 1.5]],
  ["presence.join", "interval", [999, 3_600_001]],
  ["presence.join", "metadata", [[], "db3", { host: 3 }, new Map()]],
  ["presence.watch", "onStateChange", [{}]],
  ["store.consumer", "name", [1, null]],
  ["store.consumer", "spaces", ["s", { s: 1 }, [], Array.from({ length: 65 }, (_, i) => `s${i}`)]],
  ["store.consumer", "concurrency", [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "8"]],
  ["store.consumer", "maxBatch", [0, Number.NaN]],
  ["store.consumer", "maxQueued", [0, Number.POSITIVE_INFINITY]],
  ["store.consumer", "commitCount", [0, -1, Number.NaN, "1"]],
  ["store.consumer", "commitInterval", [-1, Number.NaN, "1s"]],
  ["store.consumer", "from", ["beginning", 0, 10n]],
  ["store.consumer", "handler", [true, "handle"]],
  ["store.consumer", "onFailure", ["retry"]],
  ["store.consumer", "exclusive", [true, 10_000, null]],
  ["store.consumer", "parking", ["parked", true]],
  ["consumer.stop", "grace", [-1, Number.NaN, "1s"]],
];

test.each(WRONG)("%s refuses wrong values of %s, and says what it expects and got", async (name, field, values) => {
  const [, call, good] = CALLS.find(([one]) => one === name) as Call;
  for (const value of values) {
    expect(await thrownBy(() => call({ ...good, [field]: value })), shown(value)).toEqual(
      refused(expect.stringContaining(field), expect.stringMatching(/^must .*(; got .*|)$/)),
    );
  }
});

test("fields of fields are checked, and named with their path", async () => {
  for (const [call, field] of [
    [() => createStreamkitClient({ transport, retry: { maxAttempts: 0 } }), "retry.maxAttempts"],
    [() => createStreamkitClient({ transport, retry: { maxDelay: 1 } as never }), "retry.maxDelay"],
    [() => store.consumer({ ...consumer, exclusive: { ttl: 10 } }), "exclusive.ttl"],
    [() => store.consumer({ ...consumer, parking: { segment: "p" } as never }), "parking.space"],
    [() => store.consumer({ ...consumer, spaces: [1] as never }), "spaces[0]"],
    [() => store.consume({ spaces: { s: -1 } }), 'spaces["s"]'],
    [() => cursors.commit("c", { s: 1.5 }), 'offsets["s"]'],
  ] as const) {
    expect(await thrownBy(call)).toEqual(refused(field));
  }
});

test("arguments that are no options are checked", async () => {
  for (const [call, field] of [
    [() => describeTransport(transport, { format: "protobuf" as never, duplex: true }), "description.format"],
    [() => createNodeTransport({} as never), "baseUrl"],
    [() => client.store(1 as never), "id"],
    [() => store.space(undefined as never), "name"],
    [() => space.segment(1 as never), "name"],
    [() => store.withCodec(json as never), "codec"],
    [() => store.presence({} as never), "group"],
    [() => store.withLease("k", 1_000, undefined as never), "run"],
    [() => store.withLease("k", undefined as never, async () => {}), "ttl"],
    [() => space.append({ segment: "a" } as never), "appends"],
    [() => space.append([{ segment: "a", records: 1 } as never]), "appends[0].records"],
    [() => segment.append(Uint8Array.of(1) as never), "appends[0].records"],
    [() => segment.append("text" as never), "appends[0].records"],
    [() => segment.produce(Promise.resolve([]) as never), "source"],
    [() => space.produce("text" as never), "source"],
    [() => cursors.commit("c", ["s"] as never), "offsets"],
    [() => cursors.get(undefined as never), "name"],
    [() => leases.acquire("k", undefined as never), "holder"],
    [() => leases.renew(undefined as never), "claim.key"],
    [() => leases.release({ ...claim, fencingToken: -1 }), "claim.fencingToken"],
    [() => store.consumer({ name: "c", spaces: ["s"] }), "handler"],
    [() => store.consumer({ ...consumer, batchHandler: handler }), "handler"],
    [() => store.consume({} as never), "spaces"],
    [() => segment.trim({} as never), "beforeSequence"],
  ] as const) {
    expect(await thrownBy(call), field).toEqual(refused(field));
  }
});

test("a record that is misnamed in an append is not left out", async () => {
  const append = { segment: "a", record: Uint8Array.of(1) } as never;
  expect(await thrownBy(() => space.append([append]))).toEqual(
    refused("appends[0].record", 'is not known; did you mean "records"?'),
  );
});

test("values that are good are taken", async () => {
  const { signal } = new AbortController();
  store.consumer({
    ...consumer,
    commitInterval: Number.POSITIVE_INFINITY,
    commitCount: Number.POSITIVE_INFINITY,
    exclusive: false,
    concurrency: undefined as never,
    signal,
  });
  store.consume({ spaces: new Map([["s", 2n]]), minTime: { micros: 1 }, maxTime: new Date(), limit: 0, signal });
  createStreamkitClient({
    transport,
    timeoutMillis: Number.POSITIVE_INFINITY,
    retry: { maxAttempts: Number.POSITIVE_INFINITY },
  });
  await store.consumer(consumer).stop({ grace: Number.POSITIVE_INFINITY });
});

test("every problem is named in one error", () => {
  const checks = { name: text, count: count(1), retry: fields({ delay: millis(0, 1_000) }) };
  const check = () => checkOptions("call", { nmae: "a", count: 0, retry: { delay: 1_001 } }, checks, ["name"]);
  expect(check).toThrow(
    'call: nmae is not known; did you mean "name"?; count must be a whole number, at least 1; got 0; ' +
      "retry.delay must be a number of milliseconds: 0 to 1,000; got 1001; name is missing",
  );
});
