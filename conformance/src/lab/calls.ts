import { randomUUID } from "node:crypto";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import {
  type AppendResponse,
  type EntryBatch,
  type ErrorDetail,
  ErrorDetailSchema,
  StoreService,
  StreamService,
} from "@streamkit/protocol";
import type { Member } from "./cluster.ts";

/** One entry in a form that is easy to read in a failed expectation. */
export interface Entry {
  readonly segment: string;
  readonly sequence: number;
  readonly offset: number;
  readonly text: string;
  /** Commit time in microseconds since 1970. */
  readonly micros: number;
}

/** Calls for one space at one instance, over a new connection. */
export class Calls implements Disposable {
  readonly stream: Client<typeof StreamService>;
  readonly stores: Client<typeof StoreService>;
  readonly storeId: string;
  readonly #space: string;
  readonly #sessions: Http2SessionManager;

  constructor({ instance }: Member, storeId: string, space: string) {
    this.#sessions = new Http2SessionManager(instance.url);
    const transport = createGrpcTransport({ baseUrl: instance.url, sessionManager: this.#sessions });
    this.stream = createClient(StreamService, transport);
    this.stores = createClient(StoreService, transport);
    this.storeId = storeId;
    this.#space = space;
  }

  /** Appends one record per segment. */
  append(
    records: Readonly<Record<string, string>>,
    {
      expected,
      transactionId = randomUUID(),
    }: { expected?: Readonly<Record<string, number>>; transactionId?: string } = {},
  ): Promise<AppendResponse> {
    const appends = Object.entries(records).map(([segment, text]) => ({
      segment,
      records: [{ payload: Buffer.from(text) }],
      ...(expected?.[segment] === undefined ? {} : { expectedLastSequence: BigInt(expected[segment]) }),
    }));
    return this.stream.append({ storeId: this.storeId, space: this.#space, transactionId, appends });
  }

  async read(segment?: string): Promise<Entry[]> {
    const names = { storeId: this.storeId, space: this.#space };
    const entries: Entry[] = [];
    const responses =
      segment === undefined ? this.stream.consumeSpace(names) : this.stream.consumeSegment({ ...names, segment });
    for await (const { batches } of responses) entries.push(...entriesOf(batches));
    return entries;
  }

  /** Follows the space until it has `count` entries. */
  async follow(count: number): Promise<Entry[]> {
    const entries: Entry[] = [];
    const request = { storeId: this.storeId, space: this.#space, follow: true, limit: BigInt(count) };
    for await (const { batches } of this.stream.consumeSpace(request)) entries.push(...entriesOf(batches));
    return entries;
  }

  [Symbol.dispose](): void {
    this.#sessions.abort();
  }
}

/** Resolves to the detail of the error with which a call was refused; undefined if the call succeeded. */
export async function refusalOf(call: Promise<unknown>): Promise<ErrorDetail | undefined> {
  const error = await call.then(
    () => undefined,
    (reason) => ConnectError.from(reason),
  );
  return error?.findDetails(ErrorDetailSchema)[0];
}

export function microsOf(time: EntryBatch["commitTime"]): number {
  return Number(time?.seconds ?? 0n) * 1_000_000 + (time?.nanos ?? 0) / 1_000;
}

function entriesOf(batches: readonly EntryBatch[]): Entry[] {
  return batches.flatMap(({ segment, firstSequence, firstOffset, commitTime, records }) =>
    records.map(({ payload }, index) => ({
      segment,
      sequence: Number(firstSequence) + index,
      offset: Number(firstOffset) + index,
      text: Buffer.from(payload).toString(),
      micros: microsOf(commitTime),
    })),
  );
}
