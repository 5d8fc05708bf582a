import { create } from "@bufbuild/protobuf";
import { type GroupState, GroupStateSchema, type Worker } from "@streamkit/protocol";
import { encodedWorker } from "./encoded-worker.ts";
import { changesMessage, type GroupMessage } from "./group-message.ts";

/** Bytes of workers and ids after which a message is full. */
const MESSAGE_BYTES = 32 * 1024;
/** Bytes that a worker that left adds to a message, besides its id. */
const LEFT_BYTES = 4;
/** Most workers that left and that the feed remembers. A subscriber further behind gets another snapshot. */
const MAX_LEFT = 4_096;
/** Most bytes of messages that the feed keeps for other subscribers. */
const MAX_SHARED_BYTES = 8 * 1024 * 1024;

/** The latest change of an id. */
interface Item {
  readonly sequence: number;
  readonly id: string;
  /** Undefined if the worker has left. */
  readonly worker: Worker | undefined;
}

/** A part of the changes that a subscriber has not received yet. */
export interface FeedPage {
  readonly message: GroupMessage;
  /** The sequence of the last item in the page. */
  readonly end: number;
  /** The state of the group after the page; undefined if more pages follow. */
  readonly state: GroupState | undefined;
  /** Bytes of the items in the page. */
  readonly bytes: number;
}

/** The start of a page. */
export interface FeedPosition {
  /** The last sequence that the subscriber has read; 0 before the first. */
  readonly after: number;
  /** The page omits workers that had left up to this sequence, as the subscriber has never heard of them. */
  readonly leftAfter: number;
  /** True if the page is part of a snapshot. */
  readonly inSnapshot: boolean;
}

/**
 * The changes of a group. Each id has one place in their order: that of its latest change. So a subscriber always
 * misses exactly the items after its position, whether it is new, up to date or far behind. A position is one number,
 * and nobody keeps a queue. All subscribers at one position share a page.
 */
export class GroupFeed {
  /** Items by id, in the order of their sequences. */
  readonly #items = new Map<string, Item>();
  /** Ids of workers that left, in the same order. */
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

  /** Up to this sequence, the feed may have forgotten workers that left. */
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

  /** Records the current workers. Returns true if they differ from the previous ones. */
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

  /** The next page after a position; an empty page for a subscriber that knows everything. */
  page(position: FeedPosition): FeedPage {
    const { after, leftAfter, inSnapshot } = position;
    const key = `${after} ${Math.max(after, leftAfter)} ${inSnapshot}`;
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = this.#makePage(position);
      this.#sharedBytes += page.bytes;
      // Slow subscribers may all have different positions.
      if (this.#sharedBytes > MAX_SHARED_BYTES) {
        this.#pages.clear();
        this.#sharedBytes = page.bytes;
      }
      this.#pages.set(key, page);
    }
    return page;
  }

  /** Bytes of the changes after a sequence. */
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
