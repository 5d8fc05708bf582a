/**
 * Outbox: sends the entries that an application appended to an outside system, at least once, and in the order of each
 * segment. Start it as often as you like: one process works, the others stand by. One of them takes over when the
 * active process dies.
 *
 *   outbox-worker.ts http://127.0.0.1:8080 <store id> https://mail.example/send
 */
import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type Message = { to: string; subject: string };

const [baseUrl, storeId, endpoint] = process.argv.slice(2);
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const store = client.store(storeId).withCodec(json<Message>());

// #region outbox
/** The other side refused the message, and would refuse it again. */
class Refused extends Error {}

const mailer = store.consumer({
  name: "mailer",
  spaces: ["outbox"],
  exclusive: { ttl: 5_000 },
  async handler({ space, offset, value }, { signal }) {
    const response = await fetch(endpoint, {
      method: "POST",
      // After a crash some entries come again. The other side recognises them by this key.
      headers: { "content-type": "application/json", "idempotency-key": `${space}/${offset}` },
      body: JSON.stringify(value),
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    if (response.status === 400 || response.status === 422) throw new Refused(`refused: ${await response.text()}`);
    if (!response.ok) throw new Error(`${endpoint} answered ${response.status}`);
  },
  // During an outage the consumer retries with growing pauses. The segment of the entry waits; others go on.
  onFailure: ({ error }) => (error instanceof Refused ? "park" : "retry"),
  parking: { space: "outbox-parked" },
  onStateChange: ({ name }) => console.log(name),
});

// Waits for running handlers, commits the cursor, and releases the lease, so another process goes on at once.
process.once("SIGTERM", () => {
  console.log("stopping");
  return mailer.stop({ grace: 10_000 });
});
await mailer.run();
// #endregion outbox
const { handled, parked } = mailer.metrics;
console.log(`sent ${handled}, parked ${parked}`);
