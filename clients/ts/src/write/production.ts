import { soon } from "../soon.ts";
import { type EncodedRecord, recordSize } from "../wire/record.ts";
import type { AppendResult } from "./append-result.ts";
import type { Batcher } from "./batcher.ts";
import type { Pipeline } from "./pipeline.ts";
import type { SizedTransaction } from "./transaction.ts";
import { checkRecordSize } from "./transaction-size.ts";

/** The items of a production: any iterable or async iterable. */
export type RecordSource<V> = Iterable<V> | AsyncIterable<V>;

/** The functions that a production calls. */
export interface ProductionEvents<V> {
  /** The segment and record of an item of the source, counted from 0. */
  readonly toRecord: (item: V, index: number) => { segment: string; record: EncodedRecord };
  /** Called for each durable transaction, in order. */
  readonly onAck: (result: AppendResult, transaction: SizedTransaction) => void;
}

/**
 * Moves a source into a pipeline. It sends a batch when the batch is full, when the source has no record ready, or
 * after `lingerMillis`. It takes nothing from the source while the pipeline and the batch are full (G10).
 *
 * While the pipeline has no room, a due batch keeps growing. So batches become larger under load.
 */
export class Production<V> {
  readonly #pipeline: Pipeline;
  readonly #batcher: Batcher;
  readonly #lingerMillis: number;
  readonly #events: ProductionEvents<V>;
  /** True if the open batch leaves as soon as the pipeline has room. */
  #due = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeSource: (() => void) | undefined;
  #stop: ((error: unknown) => void) | undefined;
  #stopped = false;
  /** Settles when the latest transaction, and so all earlier ones, are acknowledged or refused. */
  #lastAck: Promise<void> | undefined;

  constructor(pipeline: Pipeline, batcher: Batcher, lingerMillis: number, events: ProductionEvents<V>) {
    this.#pipeline = pipeline;
    this.#batcher = batcher;
    this.#lingerMillis = lingerMillis;
    this.#events = events;
  }

  /** Runs until the source has ended and all its records are durable. Rejects with the first failure. */
  async run(source: RecordSource<V>): Promise<void> {
    const iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : (source as Iterable<V>)[Symbol.iterator]();
    this.#pipeline.onRoom = () => this.#makeUseOfRoom();
    // A source may be silent for ever, so a failure must not wait for its next record.
    const failed = new Promise<never>((_, reject) => {
      this.#stop = reject;
      this.#pipeline.onFailure = reject;
    });
    if (this.#pipeline.error !== undefined) this.#stop?.(this.#pipeline.error);
    const pumped = this.#pump(iterator);
    pumped.catch(() => {});
    try {
      await Promise.race([pumped, failed]);
    } catch (error) {
      this.#pipeline.abort();
      throw error;
    } finally {
      this.#stopped = true;
      clearTimeout(this.#timer);
      this.#wakeSource?.();
      Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  async #pump(iterator: Iterator<V> | AsyncIterator<V>): Promise<void> {
    let ended: { error?: unknown } | undefined;
    let index = 0;
    while (ended === undefined) {
      try {
        const next = iterator.next();
        const result = "then" in next ? await next : next;
        if (this.#stopped) return;
        if (result.done) ended = {};
        else {
          const { segment, record } = this.#events.toRecord(result.value, index++);
          const taken = this.#take(segment, record);
          if (taken !== undefined) await taken;
        }
      } catch (error) {
        // Still write the records that came before the error, as they would have been a moment earlier.
        ended = { error };
      }
    }
    if (this.#batcher.records > 0) {
      await this.#room();
      this.#send();
    }
    await this.#pipeline.close();
    await this.#lastAck;
    if (this.#pipeline.error !== undefined) throw this.#pipeline.error;
    if ("error" in ended) throw ended.error;
  }

  /** Adds one record. Returns a promise only if the source has to wait. */
  #take(segment: string, record: EncodedRecord): Promise<void> | undefined {
    const size = recordSize(record);
    checkRecordSize(segment, size);
    if (!this.#batcher.fits(segment, size)) {
      if (!this.#pipeline.hasRoom) return this.#room().then(() => this.#take(segment, record));
      this.#send();
    }
    const first = this.#batcher.records === 0;
    this.#batcher.add(segment, record, size);
    if (this.#batcher.full) {
      if (!this.#pipeline.hasRoom) return this.#room().then(() => this.#send());
      this.#send();
    } else if (first) {
      this.#armTrigger();
    }
    return undefined;
  }

  /** Resolves when the pipeline has room for another transaction. */
  async #room(): Promise<void> {
    while (!this.#pipeline.hasRoom && !this.#stopped) {
      await new Promise<void>((resolve) => {
        this.#wakeSource = resolve;
      });
    }
  }

  #armTrigger(): void {
    // A late trigger may meet the next batch. That batch is due then, since the source has had its turn.
    const trigger = () => {
      if (this.#batcher.records === 0) return;
      this.#due = true;
      this.#makeUseOfRoom();
    };
    if (this.#lingerMillis > 0) this.#timer = setTimeout(trigger, this.#lingerMillis);
    else soon(trigger);
  }

  #makeUseOfRoom(): void {
    if (this.#due && this.#pipeline.hasRoom) this.#send();
    this.#wakeSource?.();
  }

  /** Hands the open batch, if there is one, to the pipeline. */
  #send(): void {
    if (this.#batcher.records === 0 || this.#stopped) return;
    this.#due = false;
    clearTimeout(this.#timer);
    const transaction = this.#batcher.seal();
    this.#lastAck = this.#pipeline
      .submit(transaction)
      .then((result) => this.#events.onAck(result, transaction))
      .catch((error) => this.#stop?.(error));
  }
}
