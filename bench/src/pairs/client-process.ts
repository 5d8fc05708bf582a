/**
 * The client of one checkout: `node client-process.ts CHECKOUT URL http2|websocket [TOKEN]`. Runs jobs, and reports
 * their CPU time.
 */
import { payloadAt } from "../tools/payloads.ts";
import { AGGREGATE_ENTRIES, AGGREGATES, aggregateOf, obey, SPACE, STORE, segmentOf } from "./jobs.ts";

const [checkout, baseUrl, over, token] = process.argv.slice(2);
const { createStreamkitClient } = await import(`${checkout}/clients/ts/src/index.ts`);
const transport = await (over === "websocket" ? overWebSocket() : overHttp2());
const client = createStreamkitClient({ transport, token });
const space = client.store(STORE).space(SPACE);

/** Number of sessions so far. Each one writes a segment of its own. */
let sessions = 0;

function* records(count: number) {
  for (let i = 0; i < count; i++) yield payloadAt(i);
}

const single = {
  append: async (index: number) => {
    await space.segment(segmentOf(index)).append([payloadAt(index)]);
  },
  load: async (index: number) => {
    const segment = space.segment(aggregateOf(index));
    let entries = 0;
    if (segment.load === undefined) {
      for await (const batch of segment.consume().batches()) for (const _ of batch) entries++;
    } else {
      entries = (await segment.load()).entries.length;
    }
    if (entries !== AGGREGATE_ENTRIES) throw new Error(`loaded ${entries} entries, expected ${AGGREGATE_ENTRIES}`);
  },
};

const bulk = {
  async produce(count: number) {
    await space.segment(`bulk-${sessions++}`).produce(records(count));
  },
  async consume(count: number) {
    let entries = 0;
    for await (const batch of space.segment("bulk").consume().batches()) for (const _ of batch) entries++;
    if (entries !== count) throw new Error(`read ${entries} entries, expected ${count}`);
  },
};

obey({
  once: (job, index) => single[job.operation as keyof typeof single](index),
  bulk: (job) => bulk[job.operation as keyof typeof bulk](job.count),
  async fill(job) {
    if (job.operation === "consume") {
      await space.segment("bulk").produce(records(job.count));
      return;
    }
    await using session = space.session();
    const appends: Promise<unknown>[] = [];
    for (let entry = 0; entry < AGGREGATE_ENTRIES; entry++) {
      for (let i = 0; i < AGGREGATES; i++) {
        await session.ready();
        appends.push(session.append([{ segment: aggregateOf(i), records: [payloadAt(entry)] }]));
      }
    }
    await Promise.all(appends);
  },
});
process.send?.({});

async function overHttp2() {
  const { createNodeTransport } = await import(`${checkout}/clients/ts/src/node.ts`);
  return createNodeTransport({ baseUrl });
}

async function overWebSocket() {
  const { createWebSocketTransport } = await import(`${checkout}/clients/ts/src/websocket.ts`);
  return createWebSocketTransport({ baseUrl });
}
