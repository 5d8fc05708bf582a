/**
 * A measured system: Streamkit, a peer, or a raw limit. Each file of this folder exports one `peer`, with the same
 * parts in the same order, so that readers can compare them.
 */
export interface Peer {
  /** The promise of an ack, and anything else that a reader of the figures must know. */
  readonly note: string;
  /** Version of the server; "" if it is the version of the package (report/machine.ts). */
  version(): string;
  /** Starts the server in its own process. The process that conducts the run calls this. */
  startServer(place: ServerPlace): Promise<Server>;
  /** Connects to the server. The client process calls this. */
  connect(address: string): Promise<Session>;
}

/** The place of a server. */
export interface ServerPlace {
  /** An empty folder on a real disk, removed after the run. */
  readonly dataFolder: string;
  /** Flags for servers that run in Node: profiling. */
  readonly nodeFlags: readonly string[];
}

/** A running server. */
export interface Server {
  /** The argument of `connect`: a URL, a port, or a folder. */
  readonly address: string;
  /** Ends the process, by SIGTERM at first. */
  stop(): Promise<void>;
}

/** A job over one stream: a key, a stream, a subject, or a space with one segment. */
export interface StreamJob {
  readonly stream: string;
  /** Records to write, or entries to read. */
  readonly records: number;
}

/** Streams named `${stream}-0` ... with `entries` one-record transactions each. */
export interface AggregatesJob {
  readonly stream: string;
  readonly aggregates: number;
  readonly entries: number;
  /** Aggregates to load at the same time. */
  readonly concurrency: number;
}

/** Appends of one record each, spread over streams named `${stream}-0` ... in turn. */
export interface ManyAppendsJob {
  readonly stream: string;
  readonly streams: number;
  readonly appends: number;
  /** Appends under way at the same time. */
  readonly concurrency: number;
}

/**
 * Commands on the aggregates of an `AggregatesJob`. Each loads an aggregate, decides, and saves one event on condition
 * that nobody else saved one since. A command that meets another begins again.
 */
export interface CommandsJob extends AggregatesJob {
  readonly commands: number;
  /** Chooses the aggregates of the commands. Other numbers give other aggregates. */
  readonly seed: number;
}

/** Writers that append one record after the other, all at the same time, during the period of the job. */
export interface WritersJob {
  readonly stream: string;
  /** The space in the stream to write. Each writer has a segment of its own. */
  readonly space: string;
  /** Prefix of the names of the segments, unique among the clients of the stream. */
  readonly prefix: string;
  readonly writers: number;
  readonly period: Period;
}

/** Followers of one stream, to which one writer appends at a fixed rate. */
export interface FollowersJob {
  readonly stream: string;
  readonly followers: number;
  /** Appends per second, of one record each. */
  readonly perSecond: number;
  readonly period: Period;
}

/** Raw transactions for a storage service. */
export interface TransactionsJob {
  readonly stream: string;
  /** Prefix of the names of the partitions, unique among the clients of the stream. */
  readonly prefix: string;
  /** Concurrent transactions, each in a partition of its own. */
  readonly inFlight: number;
  /** Rows of each transaction, and the size of its body in bytes. */
  readonly operations: number;
  readonly bytes: number;
  readonly period: Period;
}

/** A duration in milliseconds: first a warm-up, then the measured part. */
export interface Period {
  readonly warmUpMillis: number;
  readonly millis: number;
}

/** Named figures, such as { perSecond: 1000 } or { p50: 0.2, p99: 0.9 } (milliseconds). */
export type Sample = Readonly<Record<string, number>>;

type Operation<J> = (job: J) => Promise<Sample>;

/**
 * A connected client. A peer has the operations that make sense for it. Each operation checks its result, and throws if
 * the result is wrong.
 */
export interface Session {
  /** Writes records in bulk: { perSecond }. */
  produce?: Operation<StreamJob>;
  /** Reads a whole stream, and reads each entry: { perSecond }. */
  consume?: Operation<StreamJob>;
  /** The same, as batches if the API has them. Reads each payload inside. */
  consumeBatches?: Operation<StreamJob>;
  /** The same, through the view of the whole space. */
  consumeSpace?: Operation<StreamJob>;
  consumeSpaceBatches?: Operation<StreamJob>;
  /** Writes records one after the other, each after the ack of the previous one: { p50, p99 } in milliseconds. */
  append?: Operation<StreamJob>;
  /** The same within one streaming call. */
  appendInSession?: Operation<StreamJob>;
  /** Appends of many callers: { perSecond }, and the CPU of the client per append in milliseconds, { clientCpu }. */
  appendMany?: Operation<ManyAppendsJob>;
  /** Writes the aggregates: {}. */
  fillAggregates?: Operation<AggregatesJob>;
  /**
   * Reads each aggregate from its first entry to its last: { perSecond } in aggregates, and the CPU of the client per
   * aggregate in milliseconds, { clientCpu }.
   */
  loadAggregates?: Operation<AggregatesJob>;
  /**
   * Runs commands: { perSecond, p50, p99, conflicts }. A duration counts all attempts of a command, and `conflicts` is
   * the number of attempts that met another command, for each 1,000 commands.
   */
  runCommands?: Operation<CommandsJob>;
  /** Appends during a period: { count, p50, p99 }. */
  write?: Operation<WritersJob>;
  /**
   * Appends at a fixed rate while many follow: { p50, p99 } from the ack to the delivery, and { sent50, sent99 } from
   * the call, in milliseconds.
   */
  followLive?: Operation<FollowersJob>;
  /** Sends transactions during a period: { count } and quantiles of their latency (quantiles.ts). */
  transact?: Operation<TransactionsJob>;
  /** Reads rows and ranges written by `transact`, one after the other: quantiles of both latencies. */
  readRows?: Operation<{ readonly stream: string; readonly prefix: string; readonly reads: number }>;
  /** Deletes a stream, so that rounds do not affect each other: {}. */
  forget?: Operation<{ readonly stream: string }>;
  close(): Promise<void>;
}

/** Names of the operations of a session. */
export type OperationName = Exclude<keyof Session, "close">;
