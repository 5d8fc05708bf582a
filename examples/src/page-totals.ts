/**
 * The state of a page: totals per order, kept up to date for as long as the page is shown. Needs nothing of a browser
 * beyond fetch, so it runs in Node.js as well.
 */
// #region connect
import { createStreamkitClient, json } from "@streamkit/client";
import { createWebTransport } from "@streamkit/client/web";

function connect(baseUrl: string, storeId: string, setOffline: (reason: string) => void) {
  const client = createStreamkitClient({
    transport: createWebTransport({ baseUrl }),
    onRetry: ({ error }) => setOffline(error.message),
  });
  return client.store(storeId).space("orders").withCodec(json<{ cents: number }>());
}

type Orders = ReturnType<typeof connect>;
// #endregion connect

// #region totals
type Totals = ReadonlyMap<string, number>;

async function showTotals(orders: Orders, render: (totals: Totals) => void, signal: AbortSignal) {
  const totals = new Map<string, number>();
  let live = false;
  const onCaughtUp = () => {
    live = true;
    render(totals);
  };
  for await (const batch of orders.follow({ signal, onCaughtUp }).batches()) {
    for (const { segment, value } of batch) totals.set(segment, (totals.get(segment) ?? 0) + value.cents);
    if (live) render(totals);
  }
}

// #endregion totals

export type { Orders };
export { connect, showTotals };
