/**
 * A projection: the total of each order, kept up to date from its events. The model is a space of its own, with a
 * segment per order. The latest entry of a segment is the total, so every client can peek at it or subscribe to it.
 *
 *     order-totals.ts http://127.0.0.1:8080 <store id>             resumes at its cursor
 *     order-totals.ts http://127.0.0.1:8080 <store id> --rebuild   builds the same model from the start
 */
import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type OrderEvent = { type: "ordered" | "returned"; cents: number };

const [baseUrl, storeId, option] = process.argv.slice(2);
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const store = client.store(storeId).withCodec(json<OrderEvent>());

// #region projection
/** The total of an order, and the sequence of the last event that it includes. */
type Total = { cents: number; sequence: number };

const NAME = "order-totals";

const projection = store.consumer({
  name: NAME,
  spaces: ["orders"],
  exclusive: { ttl: 5_000 },
  // Consecutive events of one order. Appends carry the token of the lease: a process that was frozen during a takeover
  // cannot overwrite a later total.
  async batchHandler(events, held) {
    const total = held.store.space(NAME).segment(events[0].segment).withCodec(json<Total>());
    let { cents, sequence } = (await total.peek())?.value ?? { cents: 0, sequence: 0 };
    for (const event of events) {
      // Delivered again: a process wrote the total and died before it committed the cursor.
      if (event.sequence <= sequence) continue;
      cents += event.value.type === "ordered" ? event.value.cents : -event.value.cents;
      sequence = event.sequence;
    }
    await total.publish({ cents, sequence });
  },
  onCommit: (offsets) => console.log(`up to offset ${offsets.get("orders")}`),
});
// #endregion projection

if (option === "--rebuild") {
  // Under the lease of the consumer, so that no other projection runs meanwhile.
  await store.withLease(`consumer/${NAME}`, 5_000, async () => {
    await store.space(NAME).delete();
    await store.cursors.delete(NAME);
  });
  console.log("forgotten");
}

process.once("SIGTERM", () => projection.stop());
await projection.run();
