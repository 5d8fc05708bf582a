/**
 * A projection: what each order comes to, kept up to date from its events. The model is a space of its own, with a
 * segment per order whose latest entry is the total; so everybody can peek at it, or subscribe to it.
 *
 *   order-totals.ts http://127.0.0.1:8080 <store id>             goes on where it stopped
 *   order-totals.ts http://127.0.0.1:8080 <store id> --rebuild   forgets cursor and model, and comes to the same model
 */
import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type OrderEvent = { type: "ordered" | "returned"; cents: number };

const [baseUrl, storeId, option] = process.argv.slice(2);
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const store = client.store(storeId).withCodec(json<OrderEvent>());

// #region projection
/** What an order comes to, and the last of its events that this includes. */
type Total = { cents: number; sequence: number };

const NAME = "order-totals";

const projection = store.consumer({
  name: NAME,
  spaces: ["orders"],
  exclusive: { ttl: 5_000 },
  // Consecutive events of one order. What it writes carries the token of the lease: one that was frozen, and wakes up
  // when another has taken over, cannot overwrite a later total.
  async batchHandler(events, held) {
    const total = held.store.space(NAME).segment(events[0].segment).withCodec(json<Total>());
    let { cents, sequence } = (await total.peek())?.value ?? { cents: 0, sequence: 0 };
    for (const event of events) {
      // Delivered again: a process died when it had written the total and not yet committed the cursor.
      if (event.sequence <= sequence) continue;
      cents += event.value.type === "ordered" ? event.value.cents : -event.value.cents;
      sequence = event.sequence;
    }
    await total.publish({ cents, sequence });
  },
  onCommit: (offsets) => console.log(`up to offset ${offsets.get("orders")}`),
});
// #endregion projection

// #region rebuild
if (option === "--rebuild") {
  // Under the lease of the consumer, so that nobody projects meanwhile.
  await store.withLease(`consumer/${NAME}`, 5_000, async () => {
    await store.space(NAME).delete();
    await store.cursors.delete(NAME);
  });
  console.log("forgotten");
}
// #endregion rebuild

process.once("SIGTERM", () => projection.stop());
await projection.run();
