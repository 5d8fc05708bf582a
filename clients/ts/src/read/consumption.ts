import type { StreamkitError } from "../errors/error.ts";
import { callbackFailed, ReadStates } from "../state.ts";
import type { Batch } from "./batch.ts";
import type { ReadOptions } from "./bounds.ts";
import type { Entry } from "./entry.ts";
import type { Page, Read } from "./read.ts";
import { PageReader, type ReadPolicy } from "./resume.ts";

/** An iterator that holds a connection. The end of `for await`, `return()` and `await using` free it. */
export interface ReadIterator<V> extends AsyncIterableIterator<V, undefined, undefined> {
  next(): Promise<IteratorResult<V, undefined>>;
  return(): Promise<IteratorResult<V, undefined>>;
  [Symbol.asyncIterator](): ReadIterator<V>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The result of `consume` and `follow`: a read, as an async iterable of its entries.
 *
 * The read starts when you iterate it; each iteration is a read of its own. After a transient failure the read
 * continues by itself from its position, and gives every entry once, in order. The iteration throws StreamkitError. The
 * end of the loop frees the connection.
 */
export interface Consumption<T, P = number> extends AsyncIterable<Entry<T>> {
  /** Gives the entries one by one. */
  [Symbol.asyncIterator](): ReadIterator<Entry<T>>;
  /** Gives the entries in batches, as they were committed. This is the fast way, without an `await` per entry. */
  batches(): ReadIterator<Batch<T>>;
  /** Gives the batches as they arrive together, with the next position, and whether the read is at the head. */
  pages(): ReadIterator<Page<T, P>>;
}

/** Makes the consumption of a read. `start` makes a new read for each iteration. */
export function consumption<T, P>(
  start: () => Read<T, P>,
  policy: ReadPolicy,
  options: ReadOptions<P>,
): Consumption<T, P> {
  const pages = () => {
    const states = new ReadStates<P>(options.onStateChange);
    const heard = new PageIterator(new PageReader(start(), policy, options.signal, states), states, options.onCaughtUp);
    return new NestedIterator<Page<T, P>, Page<T, P>>(heard, (page) => [page]);
  };
  const batches = () => new NestedIterator<Page<T, P>, Batch<T>>(pages(), (page) => page.batches);
  return {
    pages,
    batches,
    [Symbol.asyncIterator]: () => new NestedIterator<Batch<T>, Entry<T>>(batches(), (batch) => batch),
  };
}

/** The outer iterator of a nested one. */
type Outward<V> = Pick<ReadIterator<V>, "next" | "return">;

/** Gives the pages with entries or with news about the head, and drops heartbeats. */
class PageIterator<T, P> implements Outward<Page<T, P>> {
  readonly #reader: PageReader<T, P>;
  readonly #states: ReadStates<P>;
  readonly #onCaughtUp: (() => void) | undefined;
  #atHead = false;
  /** The page that reached the head, until the caller has taken its entries. */
  #reaching: Page<T, P> | undefined;

  constructor(reader: PageReader<T, P>, states: ReadStates<P>, onCaughtUp: (() => void) | undefined) {
    this.#reader = reader;
    this.#states = states;
    this.#onCaughtUp = onCaughtUp;
  }

  async next(): Promise<IteratorResult<Page<T, P>, undefined>> {
    for (;;) {
      if (this.#reaching !== undefined) this.#announce(this.#reaching);
      const page = await this.#reader.next();
      if (page === undefined) return { done: true, value: undefined };
      const reached = page.caughtUp && (!this.#atHead || page.batches.length > 0);
      // A read leaves the head with entries that are not the last ones, but not with a heartbeat.
      this.#atHead = page.caughtUp || (this.#atHead && page.batches.length === 0);
      if (reached) this.#reaching = page;
      else this.#tell(page);
      if (reached || page.batches.length > 0) return { done: false, value: page };
    }
  }

  async return(): Promise<IteratorResult<Page<T, P>, undefined>> {
    this.#reader.close();
    return { done: true, value: undefined };
  }

  /** Reports that the read is at the head, after the caller has taken the entries before it. */
  #announce(page: Page<T, P>): void {
    this.#reaching = undefined;
    try {
      this.#onCaughtUp?.();
    } catch (thrown) {
      this.#reader.close(callbackFailed("onCaughtUp", thrown));
      throw thrown;
    }
    this.#tell(page);
  }

  /** Reports the state after a page. If the application's function throws, closes the read. */
  #tell({ batches, caughtUp, next }: Page<T, P>): void {
    try {
      // An empty page may be the first one of a new connection, and then the read is still at the head.
      if (caughtUp) this.#states.reached(next);
      else if (batches.length > 0) this.#states.enter({ name: "live" });
    } catch (thrown) {
      this.#reader.close(thrown as StreamkitError);
      throw thrown;
    }
  }
}

/**
 * Gives the parts of the values of another iterator. Every entry passes through this class, and an async generator
 * would cost three times as much per entry.
 */
class NestedIterator<Outer, Inner> implements ReadIterator<Inner> {
  readonly #outer: Outward<Outer>;
  readonly #open: (outer: Outer) => Iterable<Inner>;
  #inner: Iterator<Inner> | undefined;
  /** The latest call, while it waits for the outer iterator. Later calls queue up behind it. */
  #waiting: Promise<IteratorResult<Inner, undefined>> | undefined;

  constructor(outer: Outward<Outer>, open: (outer: Outer) => Iterable<Inner>) {
    this.#outer = outer;
    this.#open = open;
  }

  next(): Promise<IteratorResult<Inner, undefined>> {
    const before = this.#waiting;
    if (before === undefined && this.#inner !== undefined) {
      const result = this.#inner.next();
      if (!result.done) return Promise.resolve(result as IteratorYieldResult<Inner>);
      this.#inner = undefined;
    }
    const call = before === undefined ? this.#advance() : before.then(() => this.#advance());
    this.#waiting = call;
    const settled = () => {
      if (this.#waiting === call) this.#waiting = undefined;
    };
    call.then(settled, settled);
    return call;
  }

  async return(): Promise<IteratorResult<Inner, undefined>> {
    this.#inner = undefined;
    await this.#outer.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #advance(): Promise<IteratorResult<Inner, undefined>> {
    for (;;) {
      if (this.#inner !== undefined) {
        const result = this.#inner.next();
        if (!result.done) return result;
        this.#inner = undefined;
      }
      const outer = await this.#outer.next();
      if (outer.done) return { done: true, value: undefined };
      this.#inner = this.#open(outer.value)[Symbol.iterator]();
    }
  }
}
