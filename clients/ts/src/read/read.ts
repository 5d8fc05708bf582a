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
 * One read and its position: it makes requests and applies responses. `PageReader` handles connections and time.
 */
export interface Read<T, P> {
  /** True if the read stays open at the head. */
  readonly follow: boolean;
  /** The position of the read, for the messages of errors. */
  readonly place: string;
  /** True if all entries within the bounds of the read have arrived. */
  readonly complete: boolean;
  /** True if the server may end the stream without an error before `complete`. */
  readonly mayEnd: boolean;
  /** Starts a stream at the position of the read. */
  open(signal: AbortSignal): AsyncIterable<EncodedPage<P>>;
  /** Reads as `open` does, by a series of calls; `undefined` if the stream of `open` ends by itself at the head. */
  poll(signal: AbortSignal): AsyncIterable<EncodedPage<P>> | undefined;
  /** Applies a response: drops entries that were delivered before (G8), and moves the position. */
  receive(page: EncodedPage<P>, signal: AbortSignal): Page<T, P> | Promise<Page<T, P>>;
  /**
   * The head, if the connection whose first page is `page` asked for a position beyond it, so that no entry arrives
   * until the head gets there; otherwise `undefined`. Asks the server if the page does not show it.
   */
  headBefore(page: Page<T, P>, signal: AbortSignal): Promise<P | undefined>;
}

/** Interval of heartbeats of a server that the client does not ask for another one. */
const DEFAULT_HEARTBEAT_MILLIS = 15_000;

/** The interval of heartbeats, in milliseconds. */
export function heartbeatMillis(heartbeatInterval = DEFAULT_HEARTBEAT_MILLIS): number {
  return heartbeatInterval;
}

/** Longest silence of a server with heartbeats, in milliseconds: two intervals. */
export function silenceMillis(heartbeatInterval?: number): number {
  return 2 * heartbeatMillis(heartbeatInterval);
}
