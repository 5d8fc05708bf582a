import { setImmediate as nextTurn } from "node:timers/promises";
import type { Row, ScanOptions } from "../port.ts";
import { type Entity, generationOf, isAbsence } from "./entity.ts";
import type { PageSize } from "./page-size.ts";
import type { Remains } from "./remains.ts";
import { keyOfRowKey, partsOfRestRowKey, rowKeyOf } from "./row-key.ts";
import { completeRow, readRow, rowOf } from "./row-reader.ts";
import type { EntityPage, Table } from "./table.ts";

const DEFAULT_PAGE_BYTES = 256 * 1024;

export interface ScanContext {
  readonly table: Table;
  readonly pageSize: PageSize;
  readonly remains: Remains;
  /** Runs a request. Refuses once the store is closed. */
  run<Result>(operation: () => Promise<Result>): Promise<Result>;
}

/**
 * Reads a range of a partition page by page, one request each. The next request is under way while the caller handles a
 * page. Pages may be empty and yet not the last (fault 14).
 */
export async function* scanPages(
  context: ScanContext,
  partitionKey: string,
  { gte, lt, limit = Number.POSITIVE_INFINITY, pageBytes = DEFAULT_PAGE_BYTES }: ScanOptions,
): AsyncGenerator<readonly Row[]> {
  if (Buffer.compare(gte, lt) >= 0 || limit <= 0) return;
  const [from, to] = [rowKeyOf(gte), rowKeyOf(lt)];
  const filter = `PartitionKey eq '${partitionKey}' and RowKey ge '${from}' and RowKey lt '${to}'`;
  // The first unit holds the first byte of a key and a bit more, which distinguishes the kinds of rows.
  const part = partitionKey + from.slice(0, 1);
  const assembler = new RowAssembler(context, partitionKey);
  let left = limit;
  const ask = (continuationToken?: string) => {
    const top = Math.min(left, context.pageSize.entitiesFor(part, pageBytes));
    return context.run(() => context.table.query({ filter, top, continuationToken }));
  };
  let upcoming: Promise<EntityPage> | undefined = ask();
  while (upcoming !== undefined) {
    const { entities, continuationToken } = await upcoming;
    upcoming = undefined;
    const rows = (await context.run(() => assembler.rows(entities))).slice(0, left);
    left -= rows.length;
    context.pageSize.observe(part, entities.length, bytesOf(rows));
    if (continuationToken !== undefined && left > 0) {
      upcoming = ask(continuationToken);
      // A reader that stops here does not await this request, so its failure must not be unhandled.
      upcoming.catch(() => undefined);
    }
    yield* pagesOf(rows, pageBytes);
    // A page without rows must not block other work of this process.
    if (rows.length === 0) await nextTurn();
  }
}

/**
 * Turns entities into rows, in the order of their keys. Joins values with their rests, and skips entities without a
 * row.
 */
class RowAssembler {
  readonly #context: ScanContext;
  readonly #partitionKey: string;
  /** The latest row and the generation of its rest, which may come with the next page. */
  #last: { rowKey: string; generation: string | undefined } | undefined;

  constructor(context: ScanContext, partitionKey: string) {
    this.#context = context;
    this.#partitionKey = partitionKey;
  }

  async rows(entities: readonly Entity[]): Promise<Row[]> {
    const { remains } = this.#context;
    const rows: Row[] = [];
    for (let index = 0; index < entities.length; index++) {
      const entity = entities[index];
      const rest = partsOfRestRowKey(entity.rowKey);
      if (rest !== undefined) {
        const { rowKey, generation } = this.#last ?? {};
        if (rowKey !== rest.rowKey || generation !== rest.generation) {
          remains.removeStray(this.#partitionKey, entity.rowKey);
        }
      } else if (isAbsence(entity)) {
        remains.remove({ partitionKey: this.#partitionKey, rowKey: entity.rowKey, etag: entity.etag });
      } else {
        const generation = generationOf(entity);
        this.#last = { rowKey: entity.rowKey, generation };
        if (generation !== undefined) remains.setRest(this.#partitionKey, entity.rowKey, generation);
        const row = await this.#row(entity, generation, entities, index + 1);
        if (row !== undefined) rows.push(row);
      }
    }
    return rows;
  }

  async #row(
    entity: Entity,
    generation: string | undefined,
    entities: readonly Entity[],
    from: number,
  ): Promise<Row | undefined> {
    const key = keyOfRowKey(entity.rowKey);
    if (generation === undefined) return rowOf(key, entity);
    // The rests follow their row; one of an earlier write may be among them.
    for (let index = from; index < entities.length; index++) {
      const rest = partsOfRestRowKey(entities[index].rowKey);
      if (rest?.rowKey !== entity.rowKey) break;
      if (rest.generation === generation) return rowOf(key, entity, entities[index]);
    }
    const { table } = this.#context;
    return (
      (await completeRow(table, this.#partitionKey, entity, key)) ??
      (await readRow(table, this.#partitionKey, entity.rowKey, key))
    );
  }
}

/** Splits the rows of one request into pages of about `pageBytes`. */
function* pagesOf(rows: readonly Row[], pageBytes: number): Generator<Row[]> {
  let page: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    page.push(row);
    bytes += row.key.length + row.value.length;
    if (bytes >= pageBytes) {
      yield page;
      page = [];
      bytes = 0;
    }
  }
  if (page.length > 0) yield page;
}

function bytesOf(rows: readonly Row[]): number {
  return rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}
