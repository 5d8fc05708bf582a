import { create } from "@bufbuild/protobuf";
import { type GroupState, GroupStateSchema, type Worker } from "@streamkit/protocol";
import { encodedWorker } from "./encoded-worker.ts";
import { changesMessage, type GroupMessage } from "./group-message.ts";

/** Bytes of workers and ids with which a message is full. */
const MESSAGE_BYTES = 32 * 1024;
/** Bytes that one worker that left adds to a message, besides its id. */
const LEFT_BYTES = 4;
/** Workers that left whom the feed remembers. A subscriber that is further behind gets another snapshot. */
const MAX_LEFT = 4_096;
/** Bytes of messages that are kept for other subscribers. */
const MAX_SHARED_BYTES = 8 * 1024 * 1024;

/** The latest that is known of an id. */
interface Item {
  readonly sequence: number;
  readonly id: string;
  /** Undefined: it has left. */
  readonly worker: Worker | undefined;
}

/** Part of what a subscriber has not heard of yet. */
export interface FeedPage {
  readonly message: GroupMessage;
  /** The sequence of the last item in it. */
  readonly end: number;
  /** The state of the group after it; undefined when more follows. */
  readonly state: GroupState | undefined;
  /** Bytes of its items. */
  readonly bytes: number;
}

/** What a page begins with. */
export interface FeedPosition {
  /** The sequence that was read last; 0 before the first. */
  readonly after: number;
  /** Workers that had left up to here are not told of: the subscriber has never heard of them. */
  readonly leftAfter: number;
  /** Whether the page is part of a snapshot. */
  readonly inSnapshot: boolean;
}

/**
 * What has changed in a group, in an order in which each id has one place: that of its latest change. So what a
 * subscriber has not heard of is everything behind the place that it has read to, whether it is new, up to date or far
 * behind; it costs the subscriber a number, and nobody keeps a queue. Pages are made once for all subscribers at the
 * same place.
 */
export class GroupFeed {
  /** By id, in the order of their sequences. */
  readonly #items = new Map<string, Item>();
  /** Ids that left, in the same order. */
  readonly #left = new Set<string>();
  readonly #pages = new Map<string, FeedPage>();
  #sharedBytes = 0;
  #ordered: Item[] | undefined;
  #head = 0;
  #forgotten = 0;
  #workers = 0;
  #digest = 0n;
  #bytes = 0;
  #state: GroupState | undefined;

  /** The sequence of the latest change. */
  get head(): number {
    return this.#head;
  }

  /** Up to this sequence, workers that left may be forgotten. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Bytes of all workers, as Limits.max_group_bytes counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The state of the group. */
  get state(): GroupState {
    this.#state ??= create(GroupStateSchema, { workerCount: this.#workers, digest: this.#digest });
    return this.#state;
  }

  /** Takes note of the workers that there are now. True when they are others than before. */
  update(workers: ReadonlyMap<string, Worker>): boolean {
    const before = this.#head;
    for (const { id, worker } of [...this.#items.values()]) {
      if (worker !== undefined && !workers.has(id)) this.#note(id, undefined);
    }
    for (const [id, worker] of workers) {
      if (this.#items.get(id)?.worker?.registration !== worker.registration) this.#note(id, worker);
    }
    if (this.#head === before) return false;
    this.#ordered = undefined;
    this.#state = undefined;
    this.#pages.clear();
    this.#sharedBytes = 0;
    return true;
  }

  /** The next part of what lies behind a position. Of a subscriber that knows everything, an empty one. */
  page(position: FeedPosition): FeedPage {
    const { after, leftAfter, inSnapshot } = position;
    const key = `${after} ${Math.max(after, leftAfter)} ${inSnapshot}`;
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = this.#makePage(position);
      this.#sharedBytes += page.bytes;
      // Slow subscribers may all be somewhere else.
      if (this.#sharedBytes > MAX_SHARED_BYTES) {
        this.#pages.clear();
        this.#sharedBytes = page.bytes;
      }
      this.#pages.set(key, page);
    }
    return page;
  }

  /** How many bytes of changes lie behind a sequence. */
  bytesAfter(sequence: number): number {
    const items = this.#order();
    let bytes = 0;
    for (let at = items.length - 1; at >= 0 && items[at].sequence > sequence; at--) bytes += sizeOf(items[at]);
    return bytes;
  }

  #note(id: string, worker: Worker | undefined): void {
    const before = this.#items.get(id)?.worker;
    if (before !== undefined) this.#count(before, -1);
    if (worker !== undefined) this.#count(worker, 1);
    this.#items.delete(id);
    this.#items.set(id, { sequence: ++this.#head, id, worker });
    this.#left.delete(id);
    if (worker !== undefined) return;
    this.#left.add(id);
    if (this.#left.size <= MAX_LEFT) return;
    const [oldest] = this.#left;
    this.#forgotten = this.#items.get(oldest)?.sequence ?? this.#forgotten;
    this.#left.delete(oldest);
    this.#items.delete(oldest);
  }

  #count(worker: Worker, sign: 1 | -1): void {
    this.#workers += sign;
    this.#digest ^= worker.registration;
    this.#bytes += sign * encodedWorker(worker).bytes;
  }

  #order(): readonly Item[] {
    this.#ordered ??= [...this.#items.values()];
    return this.#ordered;
  }

  #makePage({ after, leftAfter, inSnapshot }: FeedPosition): FeedPage {
    const items = this.#order();
    const workers: Worker[] = [];
    const left: string[] = [];
    let bytes = 0;
    let at = firstAfter(items, after);
    for (; at < items.length && bytes < MESSAGE_BYTES; at++) {
      const { id, worker, sequence } = items[at];
      if (worker !== undefined) workers.push(worker);
      else if (sequence > leftAfter) left.push(id);
      else continue;
      bytes += sizeOf(items[at]);
    }
    const isLast = at === items.length;
    const state = isLast ? this.state : undefined;
    const changes = { snapshotStart: inSnapshot && after === 0, workers, left, state: inSnapshot ? undefined : state };
    return { message: changesMessage(changes), end: isLast ? this.#head : items[at - 1].sequence, state, bytes };
  }
}

function sizeOf({ id, worker }: Item): number {
  return worker === undefined ? LEFT_BYTES + Buffer.byteLength(id) : encodedWorker(worker).element.length;
}

/** The index of the first item with a higher sequence. */
function firstAfter(items: readonly Item[], sequence: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle].sequence > sequence) high = middle;
    else low = middle + 1;
  }
  return low;
}
