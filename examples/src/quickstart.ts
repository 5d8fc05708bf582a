/**
 * A first client. Start a server with `npm start`, then: `node --conditions=@streamkit/source
 * examples/src/quickstart.ts`
 */
// #region quickstart
import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type OrderEvent = { type: "placed" | "paid" | "shipped"; cents?: number };

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const store = client.store(crypto.randomUUID()).withCodec(json<OrderEvent>());
const orders = store.space("orders");

// One transaction; durable when the promise resolves. Refused if the segment has entries already.
const order = orders.segment("order-2001-17");
const placed = await order.append([{ type: "placed", cents: 4_990 }, { type: "paid" }], { expectedLastSequence: 0 });
console.log(`order-2001-17 has ${placed.lastSequence} entries, committed at offset ${placed.firstOffset}`);

// One segment, in sequence order.
for await (const { sequence, value } of order.consume()) console.log(sequence, value.type);

// The whole space, in offset order: history first, then new entries. Reconnects by itself; gives each entry once.
setTimeout(() => orders.segment("order-2001-18").publish({ type: "placed", cents: 250 }), 100);
for await (const { offset, segment, value } of orders.follow({ limit: 3 })) console.log(offset, segment, value.type);
// #endregion quickstart
