interface Event {
  readonly at: number;
  /** Order of scheduling, for events of one moment. Without it, a run would not repeat. */
  readonly order: number;
  readonly happen: () => void;
}

/** Simulated time, in milliseconds, and future events: a binary heap, soonest first. */
export class Timeline {
  readonly #heap: Event[] = [];
  #scheduled = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  /** Schedules an event after a delay. */
  after(millis: number, happen: () => void): void {
    const event = { at: this.#now + millis, order: this.#scheduled++, happen };
    let index = this.#heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(this.#heap[parent], event)) break;
      this.#heap[index] = this.#heap[parent];
      index = parent;
    }
    this.#heap[index] = event;
  }

  /** Runs all events until `end`. */
  runUntil(end: number): void {
    while (this.#heap.length > 0 && this.#heap[0].at <= end) {
      const event = this.#takeFirst();
      this.#now = event.at;
      event.happen();
    }
    this.#now = end;
  }

  #takeFirst(): Event {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (isBefore(last, heap[child])) break;
      heap[index] = heap[child];
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
