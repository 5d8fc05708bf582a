/**
 * A dashboard: shows the contents of the bins of a warehouse, and the pickers, as they change. On a terminal it redraws
 * the picture; elsewhere it prints a line per change. Ctrl-C ends it.
 *
 *     inventory-dashboard.ts http://127.0.0.1:8080 <store id>
 */
import { createStreamkitClient, type Entry, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { Screen } from "./screen.ts";

type Count = { pieces: number };

const [baseUrl, storeId] = process.argv.slice(2);
// The dashboard waits for the server: the client retries without limit.
const retry = { maxAttempts: Number.POSITIVE_INFINITY };
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }), retry });
const store = client.store(storeId).withCodec(json<Count>());

const bins = new Map<string, Entry<Count>>();
let connection = "connecting";
let pickers = "nobody";
const screen = new Screen();

function show(change: string): void {
  const rows = [...bins].sort().map(([bin, { value }]) => `  ${bin.padEnd(16)} ${String(value.pieces).padStart(6)}`);
  screen.show([`Inventory: ${bins.size} bins, ${connection}`, ...rows, `Picking: ${pickers}`], change);
}

async function watchBins(): Promise<void> {
  const space = store.space("bins");
  let missing = new Set<string>();
  for await (const event of space.subscribe({ onStateChange: ({ name }) => connect(name) })) {
    if (event.kind === "snapshot") {
      // The first snapshot, or a new one after a broken connection. A bin that is missing from it was deleted
      // meanwhile.
      missing = new Set(bins.keys());
    } else if (event.kind === "live") {
      for (const bin of missing) forget(bin);
    } else {
      const { segment, firstSequence, lastSequence } = event.status;
      missing.delete(segment);
      if (firstSequence > lastSequence) forget(segment);
      // A status has positions only, so peek at the latest entry. After a reconnect most bins are unchanged.
      else if (bins.get(segment)?.sequence !== lastSequence) put(segment, await space.segment(segment).peek());
    }
  }
}

async function watchPickers(): Promise<void> {
  for await (const workers of store.presence("pickers").watch()) {
    const now = workers.map(({ id, metadata }) => `${id} (${metadata.zone})`).join(", ") || "nobody";
    // After a reconnect the whole group arrives again.
    if (now === pickers) continue;
    pickers = now;
    show(`picking: ${now}`);
  }
}

function connect(state: string): void {
  // The client reports "retrying" for each attempt.
  if (state === connection) return;
  connection = state;
  show(state);
}

function put(bin: string, latest: Entry<Count> | undefined): void {
  // The bin was deleted since. A later event reports that.
  if (latest === undefined) return;
  bins.set(bin, latest);
  show(`${bin}: ${latest.value.pieces}`);
}

function forget(bin: string): void {
  if (bins.delete(bin)) show(`${bin}: gone`);
}

await Promise.all([watchBins(), watchPickers()]);
