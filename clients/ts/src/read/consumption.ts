import type { StreamkitError } from "../errors/error.ts";
import { callbackFailed, ReadStates } from "../state.ts";
import type { Batch } from "./batch.ts";
import type { ReadOptions } from "./bounds.ts";
import type { Entry } from "./entry.ts";
import { PageReader, type ReadPolicy } from "./page-reader.ts";
import type { Page, Read } from "./read.ts";

/** An iterator that holds a connection: ended by the end of `for await`, by `return()`, or by `await using`. */
export interface ReadIterator<V> extends AsyncIterableIterator<V, undefined, undefined> {
  next(): Promise<IteratorResult<V, undefined>>;
  return(): Promise<IteratorResult<V, undefined>>;
  [Symbol.asyncIterator](): ReadIterator<V>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * What `consume` and `follow` return: a description of a read, and an async iterable of its entries.
 *
 * Nothing happens until it is iterated; each iteration is a read of its own. After a transient failure it goes on by
 * itself from the last position, and gives every entry once, in order. Iteration throws StreamkitError. Leaving the
 * loop early frees the connection.
 */
export interface Consumption<T, P = number> extends AsyncIterable<Entry<T>> {
  /** The entries one by one. */
  [Symbol.asyncIterator](): ReadIterator<Entry<T>>;
  /** The entries in batches as they were committed: the fast way, since nothing is awaited per entry. */
  batches(): ReadIterator<Batch<T>>;
  /** The entries as they arrive, with the position reached and whether that is the head. */
  pages(): ReadIterator<Page<T, P>>;
}

/** Makes the consumption of a read; `start` makes the read, anew for each iteration. */
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

/** What a nested iterator takes its parts from. */
type Outward<V> = Pick<ReadIterator<V>, "next" | "return">;

/** Pages that say something: with entries, or with news about the head. Heartbeats stay inside. */
class PageIterator<T, P> implements Outward<Page<T, P>> {
  private readonly reader: PageReader<T, P>;
  private readonly states: ReadStates<P>;
  private readonly onCaughtUp: (() => void) | undefined;
  private atHead = false;
  /** The page that reached the head, until its entries were taken. */
  private reaching: Page<T, P> | undefined;

  constructor(reader: PageReader<T, P>, states: ReadStates<P>, onCaughtUp: (() => void) | undefined) {
    this.reader = reader;
    this.states = states;
    this.onCaughtUp = onCaughtUp;
  }

  async next(): Promise<IteratorResult<Page<T, P>, undefined>> {
    for (;;) {
      if (this.reaching !== undefined) this.announce(this.reaching);
      const page = await this.reader.next();
      if (page === undefined) return { done: true, value: undefined };
      const reached = page.caughtUp && (!this.atHead || page.batches.length > 0);
      // A heartbeat does not say that the head was lost; entries that are not the last ones do.
      this.atHead = page.caughtUp || (this.atHead && page.batches.length === 0);
      if (reached) this.reaching = page;
      else this.tell(page);
      if (reached || page.batches.length > 0) return { done: false, value: page };
    }
  }

  async return(): Promise<IteratorResult<Page<T, P>, undefined>> {
    this.reader.close();
    return { done: true, value: undefined };
  }

  /** Tells that the head was reached, when the entries before it were taken. */
  private announce(page: Page<T, P>): void {
    this.reaching = undefined;
    try {
      this.onCaughtUp?.();
    } catch (thrown) {
      this.reader.close(callbackFailed("onCaughtUp", thrown));
      throw thrown;
    }
    this.tell(page);
  }

  /** A function that throws ends the read, which would keep its connection otherwise. */
  private tell({ batches, caughtUp, next }: Page<T, P>): void {
    try {
      // Without entries it may be the first page of another connection, on which the read is at the head as before.
      if (caughtUp) this.states.reached(next);
      else if (batches.length > 0) this.states.enter({ name: "live" });
    } catch (thrown) {
      this.reader.close(thrown as StreamkitError);
      throw thrown;
    }
  }
}

/**
 * The parts of what another iterator gives. Hand-written: an async generator costs three times as much per entry, and
 * this is what every entry goes through.
 */
class NestedIterator<Outer, Inner> implements ReadIterator<Inner> {
  private readonly outer: Outward<Outer>;
  private readonly open: (outer: Outer) => Iterable<Inner>;
  private inner: Iterator<Inner> | undefined;
  /** The latest call that had to wait for the outer iterator, while it waits; calls that come meanwhile queue up. */
  private waiting: Promise<IteratorResult<Inner, undefined>> | undefined;

  constructor(outer: Outward<Outer>, open: (outer: Outer) => Iterable<Inner>) {
    this.outer = outer;
    this.open = open;
  }

  next(): Promise<IteratorResult<Inner, undefined>> {
    const before = this.waiting;
    if (before === undefined && this.inner !== undefined) {
      const result = this.inner.next();
      if (!result.done) return Promise.resolve(result as IteratorYieldResult<Inner>);
      this.inner = undefined;
    }
    const call = before === undefined ? this.advance() : before.then(() => this.advance());
    this.waiting = call;
    const settled = () => {
      if (this.waiting === call) this.waiting = undefined;
    };
    call.then(settled, settled);
    return call;
  }

  async return(): Promise<IteratorResult<Inner, undefined>> {
    this.inner = undefined;
    await this.outer.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  private async advance(): Promise<IteratorResult<Inner, undefined>> {
    for (;;) {
      if (this.inner !== undefined) {
        const result = this.inner.next();
        if (!result.done) return result;
        this.inner = undefined;
      }
      const outer = await this.outer.next();
      if (outer.done) return { done: true, value: undefined };
      this.inner = this.open(outer.value)[Symbol.iterator]();
    }
  }
}
