import { dataLoss } from "../../errors.ts";
import type { Row } from "../port.ts";
import { dataOf, type Entity, generationOf, isAbsence, versionOf } from "./entity.ts";
import { restRowKey } from "./row-key.ts";
import type { Table } from "./table.ts";

/** A row that is being written all the time is read this often before that is taken for damage. */
const attempts = 10;

/** Reads one row; `undefined` when there is none. */
export async function readRow(
  table: Table,
  partitionKey: string,
  rowKey: string,
  key: Uint8Array,
): Promise<Row | undefined> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const entity = await table.get(partitionKey, rowKey);
    if (entity === undefined || isAbsence(entity)) return undefined;
    const row = await completeRow(table, partitionKey, entity, key);
    if (row !== undefined) return row;
  }
  // G11: entity and rest are written in one transaction, and the rest goes only after the entity.
  throw dataLoss("a row has lost the rest of its value");
}

/** The row of an entity, with its rest if it has one; `undefined` when the row was written again in between. */
export async function completeRow(
  table: Table,
  partitionKey: string,
  entity: Entity,
  key: Uint8Array,
): Promise<Row | undefined> {
  const generation = generationOf(entity);
  if (generation === undefined) return rowOf(key, entity);
  const rest = await table.get(partitionKey, restRowKey(entity.rowKey, generation));
  return rest && rowOf(key, entity, rest);
}

/** The row of an entity that needs no rest, or has it at hand. */
export function rowOf(key: Uint8Array, entity: Entity, rest?: Entity): Row {
  const value = dataOf(entity);
  return {
    key,
    value: rest === undefined ? value : Buffer.concat([value, dataOf(rest)]),
    version: versionOf(entity),
  };
}
