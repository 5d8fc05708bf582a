import type { EncodedPage } from "../transport/peer.ts";
import type { Batch } from "./batch.ts";

/** Entries of a read that arrived together. */
export interface Page<T, P> {
  /** The entries. Empty if only `caughtUp` has changed. */
  readonly batches: readonly Batch<T>[];
  /** Start of a read that continues after this page: its `minSequence` or `minOffset`, or its `spaces`. */
  readonly next: P;
  /** True if the read is at the head: no newer entry was committed when the server made the page. */
  readonly caughtUp: boolean;
}

/**
 * One read and how far it has come: what to ask for next, and what to make of the answer. Knows nothing about
 * connections and time; `PageReader` does.
 */
export interface Read<T, P> {
  /** Stays open at the head. */
  readonly follow: boolean;
  /** The position of the read, for the messages of errors. */
  readonly place: string;
  /** True if all entries within the bounds of the read have arrived. */
  readonly complete: boolean;
  /** True if the server may end the stream without an error before `complete`. */
  readonly mayEnd: boolean;
  /** Starts, or goes on from the position reached. */
  open(signal: AbortSignal): AsyncIterable<EncodedPage<P>>;
  /** As `open`, with calls that end; `undefined` where the call of `open` ends by itself as soon. */
  poll(signal: AbortSignal): AsyncIterable<EncodedPage<P>> | undefined;
  /** Takes a response: drops what was delivered before (G8), moves on. */
  receive(page: EncodedPage<P>, signal: AbortSignal): Page<T, P> | Promise<Page<T, P>>;
  /**
   * The head, if the connection that begins with `page` asked for a position beyond it: then nothing arrives until the
   * head comes there. Asks the server where the page leaves that open.
   */
  headBefore(page: Page<T, P>, signal: AbortSignal): Promise<P | undefined>;
}

/** What the server does when no interval is asked for. */
const DEFAULT_HEARTBEAT_MILLIS = 15_000;

/** The interval of heartbeats that the server is asked for, in milliseconds. */
export function heartbeatMillis(heartbeatInterval = DEFAULT_HEARTBEAT_MILLIS): number {
  return heartbeatInterval;
}

/** Longest silence of a server that promises a heartbeat: two of them, in milliseconds. */
export function silenceMillis(heartbeatInterval?: number): number {
  return 2 * heartbeatMillis(heartbeatInterval);
}
