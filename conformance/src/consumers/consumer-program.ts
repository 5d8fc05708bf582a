/**
 * One of several processes that run the same exclusive consumer in the soak test. It records the entries that it
 * handles, with its name and its token, and takes over as docs/coordination.md tells consumers to. Settings come as
 * JSON on the command line; SIGTERM stops the process in order.
 */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import {
  type ConsumerState,
  createStreamkitClient,
  type Entry,
  type HandlerContext,
  json,
  type StoreHandle,
} from "@streamkit/client";
import { anyInstance } from "./any-instance.ts";
import {
  type ConsumerNews,
  type ConsumerReport,
  type ConsumerSettings,
  INPUTS,
  type Input,
  now,
  OUTPUT,
  type Output,
  TAKEOVERS,
} from "./settings.ts";

type Held = HandlerContext<StoreHandle<Input, Input>>;

const settings = JSON.parse(process.argv[2]) as ConsumerSettings;
const { ttl, deviation } = settings;
/**
 * Duration of handling in addition to the append, in milliseconds, so that trouble has something to interrupt. Some
 * deviations need more.
 */
const workMillis = deviation === undefined || deviation === "long-ttl" ? 20 : 700;
const tell = (news: ConsumerNews): void => void process.send?.({ at: now(), news } satisfies ConsumerReport);

// Ends with the process that started it.
process.once("disconnect", () => process.exit(0));

const transport = anyInstance(settings.urls, settings.first);
const client = createStreamkitClient({ transport, timeoutMillis: settings.callMillis });
const store = client.store(settings.storeId).withCodec(json<Input>());

const outputOf = (held: Held) =>
  (deviation === "unfenced" ? store : held.store).space(OUTPUT).withCodec(json<Output>());
const signatureOf = ({ fencingToken }: Held) => ({ process: settings.process, token: Number(fencingToken) });

/** The last token that all segments of the output have seen or will see with the append in progress. */
let shown: { readonly token: bigint | undefined; readonly done: Promise<unknown> } | undefined;

function showToken(held: Held): Promise<unknown> {
  const token = held.fencingToken;
  if (shown !== undefined && shown.token === token) return shown.done;
  // Conditions without records. A segment refuses a token once it has seen a larger one, so all segments must see this
  // one.
  const segments = deviation === "unfenced" || token === undefined ? [] : Object.values(INPUTS).flat();
  const done = outputOf(held).append([
    { segment: TAKEOVERS, records: [signatureOf(held)] },
    ...segments.map((segment) => ({ segment, fencingToken: token! })),
  ]);
  shown = { token, done };
  void done.then(
    () => tell({ kind: "output", token: Number(token) }),
    () => {
      // The next attempt of any handler shows the token again.
      shown = undefined;
    },
  );
  return done;
}

/** Ids of transactions with an unknown outcome. The next attempt uses the same id. */
const unfinished = new Map<string, string>();

async function handle(entries: readonly Entry<Input>[], held: Held): Promise<void> {
  const [{ space, segment, sequence }] = entries as [Entry<Input>];
  const signal = deviation === undefined ? { signal: held.signal } : {};
  await showToken(held);
  await setTimeout(workMillis, undefined, signal);
  const name = `${held.fencingToken} ${segment} ${sequence} ${entries.length}`;
  const transactionId = unfinished.get(name) ?? randomUUID();
  unfinished.set(name, transactionId);
  const records = entries.map((entry) => {
    return { ...signatureOf(held), input: { space, segment, sequence: entry.sequence, id: entry.value.id } };
  });
  await outputOf(held).append([{ segment, records }], { transactionId, ...signal });
  unfinished.delete(name);
}

const consumer = store.consumer({
  name: "soak",
  spaces: Object.keys(INPUTS),
  exclusive: { ttl: deviation === "long-ttl" ? 3 * ttl : ttl },
  maxBatch: 20,
  commitInterval: 250,
  batchHandler: deviation === "commits-first" ? (entries, held) => void handle(entries, held).catch(() => {}) : handle,
  // The entries are never at fault: a failure comes from the connection and passes.
  onFailure: () => "retry",
  onCommit: () => tell({ kind: "committed" }),
  onStateChange: (state) => {
    const name = stateOfWork(state);
    const reason = "reason" in state ? { reason: String(state.reason) } : {};
    if (name !== undefined) tell({ kind: "state", state: name, ...reason });
  },
});

/** Returns the state if it says who does the work; undefined if it is only about the connection. */
function stateOfWork(state: ConsumerState): string | undefined {
  switch (state.name) {
    case "connecting":
      return "running";
    case "ended":
      return state.reason === undefined ? "stopped" : "failed";
    case "retrying":
      return consumer.active ? undefined : "retrying";
    case "idle":
    case "standby":
      return state.name;
    default:
      return undefined;
  }
}

process.once("SIGTERM", () => void consumer.stop());
await consumer.run();
process.disconnect?.();
