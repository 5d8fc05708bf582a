import type { CommitBatch, CommitResult, PartitionStore, Row, ScanOptions } from "../port.ts";
import { Committer } from "./committer.ts";
import { limits } from "./limits.ts";
import { OpenOperations } from "./open-operations.ts";
import { PageSize } from "./page-size.ts";
import { inParallel } from "./parallel.ts";
import { partitionKeyOf } from "./partition-key.ts";
import { partitionNames } from "./partitions.ts";
import { Remains } from "./remains.ts";
import { rowKeyOf } from "./row-key.ts";
import { readRow } from "./row-reader.ts";
import { scanPages } from "./scan.ts";
import type { Table } from "./table.ts";

/** Most point reads of one `getMany` at the same time. */
const CONCURRENT_READS = 16;

/** A store in a table. */
export class AzurePartitionStore implements PartitionStore {
  readonly limits = limits;
  readonly #table: Table;
  readonly #remains: Remains;
  readonly #committer: Committer;
  readonly #pageSize = new PageSize();
  readonly #operations = new OpenOperations();
  #closing: Promise<void> | undefined;

  constructor(table: Table) {
    this.#table = table;
    this.#remains = new Remains(table);
    this.#committer = new Committer(table, this.#remains);
  }

  get(partition: string, key: Uint8Array): Promise<Row | undefined> {
    return this.#operations.run(() => readRow(this.#table, partitionKeyOf(partition), rowKeyOf(key), key));
  }

  /** Point reads in parallel, because Azure scans the partition for a filter with several keys. */
  getMany(partition: string, keys: readonly Uint8Array[]): Promise<(Row | undefined)[]> {
    const partitionKey = partitionKeyOf(partition);
    return this.#operations.run(() =>
      inParallel(keys, CONCURRENT_READS, (key) => readRow(this.#table, partitionKey, rowKeyOf(key), key)),
    );
  }

  async *scan(partition: string, options: ScanOptions): AsyncGenerator<readonly Row[]> {
    this.#operations.assertOpen();
    const context = {
      table: this.#table,
      pageSize: this.#pageSize,
      remains: this.#remains,
      run: <Result>(operation: () => Promise<Result>) => this.#operations.run(operation),
    };
    yield* scanPages(context, partitionKeyOf(partition), options);
  }

  commit(partition: string, batch: CommitBatch): Promise<CommitResult> {
    return this.#operations.run(() => this.#committer.commit(partition, batch));
  }

  partitions(options: { prefix: string; after?: string; limit: number }): Promise<string[]> {
    return this.#operations.run(() => partitionNames(this.#table, options));
  }

  /** Deletes the table with one request, entirely or not at all. A repetition finds no table and succeeds. */
  drop(): Promise<void> {
    return this.#end(() => this.#table.delete());
  }

  close(): Promise<void> {
    return this.#end(async () => {});
  }

  #end(finish: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#operations
      .close()
      .then(() => this.#remains.idle())
      .then(finish);
    return this.#closing;
  }
}
