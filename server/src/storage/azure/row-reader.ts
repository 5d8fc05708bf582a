import { dataLoss } from "../../errors.ts";
import type { Row } from "../port.ts";
import { dataOf, type Entity, generationOf, isAbsence, versionOf } from "./entity.ts";
import { restRowKey } from "./row-key.ts";
import type { Table } from "./table.ts";

/** Most reads of a row that other processes keep writing. After that the rest counts as lost. */
const ATTEMPTS = 10;

/** Reads one row; `undefined` if there is none. */
export async function readRow(
  table: Table,
  partitionKey: string,
  rowKey: string,
  key: Uint8Array,
): Promise<Row | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const entity = await table.get(partitionKey, rowKey);
    if (entity === undefined || isAbsence(entity)) return undefined;
    const row = await completeRow(table, partitionKey, entity, key);
    if (row !== undefined) return row;
  }
  // G11: one transaction writes entity and rest together, and a rest is deleted no earlier than its entity.
  throw dataLoss("a row has lost the rest of its value");
}

/** The row of an entity, with its rest if it has one; `undefined` if a commit wrote the row in between. */
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

/** The row of an entity that has no rest, or whose rest was read already. */
export function rowOf(key: Uint8Array, entity: Entity, rest?: Entity): Row {
  const value = dataOf(entity);
  return {
    key,
    value: rest === undefined ? value : Buffer.concat([value, dataOf(rest)]),
    version: versionOf(entity),
  };
}
