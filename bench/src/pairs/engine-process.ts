/**
 * The calls of one checkout without any transport: `node engine-process.ts CHECKOUT STORAGE FOLDER`. It takes the bytes
 * of a request and returns the bytes of an answer, like every entrance of the server.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { PAYLOAD_BYTES, payloadAt } from "../tools/payloads.ts";
import { AGGREGATE_ENTRIES, AGGREGATES, aggregateOf, obey, SPACE, STORE, segmentOf } from "./jobs.ts";

const [checkout, kind, folder] = process.argv.slice(2);
const from = (path: string) => import(`${checkout}/${path}`);
const { levelStorage, memoryStorage } = await from("server/src/index.ts");
const { serverLimits } = await from("server/src/budgets/limits.ts");
const { OpenStores } = await from("server/src/engine/open-stores.ts");
const { systemClock } = await from("server/src/engine/clock.ts");
const { Events } = await from("server/src/events.ts");
const { StorageHealth } = await from("server/src/health.ts");
const { createImplementations } = await from("server/src/routes/index.ts");
const { acceptDirectResponses } = await from("server/src/routes/direct-response.ts");
const { readMessage } = await from("server/src/routes/reading/read-message.ts");
const { AppendRequestSchema, ReadSegmentRequestSchema } = await from("gen/es/src/index.ts");
const { create, toBinary } = await import("@bufbuild/protobuf");
const { createContextValues } = await import("@connectrpc/connect");

const storage = kind === "level" ? levelStorage({ path: folder }) : memoryStorage();
const events = new Events();
const openStores = new OpenStores(storage, {
  clock: systemClock,
  dedupeWindowMicros: 600_000_000,
  compression: "none",
  pollMillis: 1_000,
  maxOpenStores: 16,
  idleMillis: 300_000,
  events,
});
const implementations = createImplementations({
  storage,
  openStores,
  limits: serverLimits(),
  dedupeWindowMillis: 600_000,
  shutdown: new AbortController().signal,
  events,
  health: new StorageHealth(storage, events),
});
const { signal } = new AbortController();

const none = new Headers();

/** The context of this checkout that makes no headers and no signal if nothing looks at them; undefined for none. */
const Lazy: (new (method: DescMethod, timeoutMillis: undefined) => HandlerContext) | undefined = await from(
  "server/src/routes/lazy-context.ts",
).then(
  ({ LazyContext }) =>
    class extends (LazyContext as new (method: DescMethod, timeoutMillis: undefined) => HandlerContext) {
      override readonly protocolName = "none";
      override readonly url = "http://bench.invalid/";
      readHeaders = () => none;
    },
  () => undefined,
);

function contextOf(method: DescMethod): HandlerContext {
  if (Lazy !== undefined) return new Lazy(method, undefined);
  return {
    method,
    service: method.parent,
    requestMethod: "POST",
    protocolName: "none",
    url: "http://bench.invalid/",
    signal,
    timeoutMs: () => undefined,
    requestHeader: none,
    responseHeader: none,
    responseTrailer: none,
    values: createContextValues(),
  };
}

async function call(name: string, request: Uint8Array): Promise<Uint8Array> {
  const implementation = implementations.get(`/streamkit.v1.StreamService/${name}`);
  const { binary } = implementation;
  const context = contextOf(binary.method);
  const direct = implementation.direct ? acceptDirectResponses(context.values) : undefined;
  const answer = await binary.call(readMessage(implementation, request, "binary"), context);
  return direct?.() ?? (binary.encode?.(answer) as Uint8Array | undefined) ?? toBinary(binary.method.output, answer);
}

function appendTo(segment: string, index: number): Uint8Array {
  const fields = {
    storeId: STORE,
    space: SPACE,
    transactionId: crypto.randomUUID(),
    appends: [{ segment, records: [{ payload: payloadAt(index) }] }],
  };
  return toBinary(AppendRequestSchema, create(AppendRequestSchema, fields));
}

function readOf(segment: string): Uint8Array {
  return toBinary(
    ReadSegmentRequestSchema,
    create(ReadSegmentRequestSchema, { storeId: STORE, space: SPACE, segment }),
  );
}

const requests: Uint8Array[] = [];
obey({
  prepare({ operation, count }) {
    for (let i = 0; i < count; i++) {
      requests[i] = operation === "append" ? appendTo(segmentOf(i), i) : readOf(aggregateOf(i));
    }
  },
  async once({ operation }, index) {
    const answer = await call(operation === "append" ? "Append" : "ReadSegment", requests[index]);
    if (operation === "load" && answer.length < AGGREGATE_ENTRIES * PAYLOAD_BYTES)
      throw new Error("entries are missing");
  },
  async fill() {
    for (let entry = 0; entry < AGGREGATE_ENTRIES; entry++) {
      await Promise.all(Array.from({ length: AGGREGATES }, (_, i) => call("Append", appendTo(aggregateOf(i), entry))));
    }
  },
});
process.send?.({});
