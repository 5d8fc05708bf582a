/**
 * A system that is measured: Streamkit, a peer, or a raw limit. Each file of this folder has one `peer`, with the same
 * parts in the same order, so that they read side by side.
 */
export interface Peer {
  /** What its acks promise, and anything else a reader of the numbers must know. */
  readonly note: string;
  /** Version of the server, or "" where the package version (report/machine.ts) says it. */
  version(): string;
  /** Starts the server in its own process. Called in the process that conducts the run. */
  startServer(place: ServerPlace): Promise<Server>;
  /** Connects to it. Called in the client's process. */
  connect(address: string): Promise<Session>;
}

/** Where a server may live. */
export interface ServerPlace {
  /** An empty folder on a real disk, removed after the run. */
  readonly dataFolder: string;
  /** Flags for servers that run in Node: profiling. */
  readonly nodeFlags: readonly string[];
}

/** A running server. */
export interface Server {
  /** What `connect` needs: a URL, a port, or a folder. */
  readonly address: string;
  /** Ends the process, politely at first. */
  stop(): Promise<void>;
}

/** What a client can be asked to do. Names a stream: a key, a stream, a subject, or a space with one segment. */
export interface StreamJob {
  readonly stream: string;
  /** Records to write, or entries that must be read. */
  readonly records: number;
}

/** Streams named `${stream}-0` ... with `entries` one-record transactions each. */
export interface AggregatesJob {
  readonly stream: string;
  readonly aggregates: number;
  readonly entries: number;
  /** Aggregates being loaded at the same time. */
  readonly concurrency: number;
}

/** Writers that append one record after the other, all at the same time, for as long as the job says. */
export interface WritersJob {
  readonly stream: string;
  /** The space in the stream that they write, each to a segment of its own. */
  readonly space: string;
  /** What the names of the segments begin with: unique among the clients of the stream. */
  readonly prefix: string;
  readonly writers: number;
  readonly period: Period;
}

/** Transactions that a storage service takes as they are. */
export interface TransactionsJob {
  readonly stream: string;
  /** What the names of the partitions begin with: unique among the clients of the stream. */
  readonly prefix: string;
  /** Transactions under way at a time, each in a partition of its own. */
  readonly inFlight: number;
  /** Rows of each transaction, and the size of its body in bytes. */
  readonly operations: number;
  readonly bytes: number;
  readonly period: Period;
}

/** How long something goes on, in milliseconds: first without being measured. */
export interface Period {
  readonly warmUpMillis: number;
  readonly millis: number;
}

/** Named figures, such as { perSecond: 1000 } or { p50: 0.2, p99: 0.9 } (milliseconds). */
export type Sample = Readonly<Record<string, number>>;

type Operation<J> = (job: J) => Promise<Sample>;

/** A connected client. A peer has the operations that make sense for it; each checks its own result and throws. */
export interface Session {
  /** Writes records in bulk: { perSecond }. */
  produce?: Operation<StreamJob>;
  /** Reads a whole stream, looking at each entry: { perSecond }. */
  consume?: Operation<StreamJob>;
  /** The same, as batches where the API has them: looks at each payload inside. */
  consumeBatches?: Operation<StreamJob>;
  /** The same, through the view of the whole space. */
  consumeSpace?: Operation<StreamJob>;
  consumeSpaceBatches?: Operation<StreamJob>;
  /** Writes records one after the other, each acked before the next: { p50, p99 } in milliseconds. */
  append?: Operation<StreamJob>;
  /** The same within one streaming call. */
  appendInSession?: Operation<StreamJob>;
  /** Writes the aggregates: {}. */
  fillAggregates?: Operation<AggregatesJob>;
  /** Reads each aggregate from its first entry to its last: { perSecond } in aggregates. */
  loadAggregates?: Operation<AggregatesJob>;
  /** Appends for some time: { count, p50, p99 }. */
  write?: Operation<WritersJob>;
  /** Sends transactions for some time: { count } and quantiles of their latency (quantiles.ts). */
  transact?: Operation<TransactionsJob>;
  /** Reads rows and ranges of what `transact` wrote, one after the other: quantiles of both latencies. */
  readRows?: Operation<{ readonly stream: string; readonly prefix: string; readonly reads: number }>;
  /** Deletes a stream, so that rounds do not weigh on each other: {}. */
  forget?: Operation<{ readonly stream: string }>;
  close(): Promise<void>;
}

/** Names of the operations of a session. */
export type OperationName = Exclude<keyof Session, "close">;
