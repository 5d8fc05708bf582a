/** Subscriptions, leases, presence and cursors: each in a few lines, as docs/coordination.md explains them. */
import { createStreamkitClient, json, StreamkitError } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const store = client.store(crypto.randomUUID()).withCodec(json<{ pieces: number }>());

const stock = store.space("stock");
await stock.segment("bin-1").append([{ pieces: 40 }, { pieces: 38 }]);
await stock.segment("bin-2").publish({ pieces: 5 });

// #region subscription
const counts = new Map<string, number>();
for await (const event of stock.subscribe({ prefix: "bin-" })) {
  // A snapshot begins: the first one, or a new one after a broken connection.
  if (event.kind === "snapshot") counts.clear();
  // The position of a segment, in the snapshot and after each change.
  if (event.kind === "status") counts.set(event.status.segment, event.status.lastSequence);
  // The snapshot is complete. All later events are changes.
  if (event.kind === "live") await stock.segment("bin-2").publish({ pieces: 4 });
  if (counts.get("bin-2") === 2) break;
}
console.log("entries per bin:", Object.fromEntries(counts));
// #endregion subscription

// #region lease
const worth = await store.withLease("stock-taking", 30_000, async ({ store, fencingToken, signal, check }) => {
  // The client renews the lease every 10 seconds. The signal fires as soon as the client cannot prove that it holds it.
  const latest = await store.space("stock").segment("bin-1").peek({ signal });
  // The append carries the token. The client does not send it once the lease is lost.
  await store.space("stock").segment("bin-1").publish({ pieces: 37 });
  // Call check() before an effect outside of Streamkit: it throws when the lease is lost.
  check();
  return `${latest?.value.pieces} pieces, counted under token ${fencingToken}`;
});
console.log(worth);
// #endregion lease

// #region fence
// A segment refuses a token once it has seen a larger one. So a new holder shows its token to every segment that
// matters before it reads them. One append with one record does it: the other segments get the token only.
await store.withLease("stock-taking", 30_000, async ({ store, fencingToken }) => {
  await store.space("stock").append([
    { segment: "takeovers", records: [{ pieces: 0 }] },
    { segment: "bin-1", fencingToken },
    { segment: "bin-2", fencingToken },
  ]);
});
try {
  // The earlier holder was frozen, and does not know that it lost the lease.
  await stock.segment("bin-2").publish({ pieces: 99 }, { fencingToken: 1 });
} catch (error) {
  if (error instanceof StreamkitError) console.log("too late:", error.reason);
}
// #endregion fence

// #region presence
const pickers = store.presence("pickers");
const ada = pickers.join({ id: "picker-1", metadata: { zone: "north" } });
await ada.joined;
for await (const workers of pickers.watch()) {
  for (const { id, metadata } of workers) console.log(id, "is picking in zone", metadata.zone);
  break;
}
await ada.close();
// #endregion presence

// #region cursor
const found = await store.cursors.get("stock-report");
let offset = found?.offsets.get("stock") ?? 0;
for await (const entry of stock.consume({ minOffset: offset + 1 })) {
  offset = entry.offset; // After the work on the entry.
}
// CURSOR_CONFLICT if another process has committed since the read. Version 0: the cursor must not exist.
const cursor = await store.cursors.commit("stock-report", { stock: offset }, { expectedVersion: found?.version ?? 0 });
console.log(`read up to offset ${cursor.offsets.get("stock")}, version ${cursor.version}`);
// #endregion cursor
