import type { Worker } from "@streamkit/protocol";
import type { WakeSource } from "../../live/next-wake.ts";
import { FeedReader } from "./feed-reader.ts";
import { GroupFeed } from "./group-feed.ts";
import type { GroupMessage } from "./group-message.ts";
import type { StoredWorker } from "./group-view.ts";

/** Shortest and longest time between two announcements of changes, in milliseconds. */
const MIN_GAP_MILLIS = 20;
const MAX_GAP_MILLIS = 5_000;
/**
 * Messages and bytes of changes that one group may send per second to all its subscribers on this instance. Snapshots
 * do not count.
 */
const MESSAGES_PER_SECOND = 4_000;
const BYTES_PER_SECOND = 16 * 1024 * 1024;

/** One subscriber. */
export interface GroupSubscription extends WakeSource, Disposable {
  /** The next message of the snapshot, or the changes announced so far; undefined if there is nothing new. */
  next(): GroupMessage | undefined;
  /** A message that repeats the last state that the subscriber got. */
  heartbeat(): GroupMessage;
}

/**
 * The subscribers of a group on this instance. An announcement reaches all of them at once, so that they can share the
 * messages. Everyone gets every change, so a change costs its size times the number of subscribers. The pause after an
 * announcement grows with that product, and with the number of subscribers. Changes during the pause form one
 * announcement.
 */
export class Subscribers {
  readonly #feed = new GroupFeed();
  readonly #waiting = new Set<() => void>();
  #count = 0;
  /** The sequence up to which changes were announced. */
  #told = 0;
  /** Earliest time of the next announcement, in milliseconds on the monotonic clock. */
  #notBefore = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param onNobody called when the last subscriber has gone */
  add(onNobody: () => void): GroupSubscription {
    this.#count++;
    let reader: FeedReader | undefined;
    const reading = (): FeedReader => {
      reader ??= new FeedReader(this.#feed);
      return reader;
    };
    let held = true;
    return {
      next: () => (reading().wants(this.#told) ? reading().next() : undefined),
      heartbeat: () => reading().heartbeat(),
      onWake: (callback) => {
        this.#waiting.add(callback);
        return () => this.#waiting.delete(callback);
      },
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        if (--this.#count > 0) return;
        this.close();
        onNobody();
      },
    };
  }

  /** Records the current workers. */
  update(workers: ReadonlyMap<string, StoredWorker>): void {
    const now = new Map<string, Worker>();
    for (const [id, { record }] of workers) now.set(id, record.worker);
    if (!this.#feed.update(now) || this.#timer !== undefined) return;
    if (this.#count === 0) {
      this.#told = this.#feed.head;
      return;
    }
    const wait = this.#notBefore - performance.now();
    if (wait <= 0) this.#tell();
    else this.#timer = setTimeout(() => this.#tell(), wait).unref();
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    this.#timer = undefined;
    const seconds =
      this.#count * Math.max(1 / MESSAGES_PER_SECOND, this.#feed.bytesAfter(this.#told) / BYTES_PER_SECOND);
    this.#notBefore = performance.now() + Math.min(MAX_GAP_MILLIS, Math.max(MIN_GAP_MILLIS, 1_000 * seconds));
    this.#told = this.#feed.head;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
