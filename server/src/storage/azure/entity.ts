/**
 * Entities: how a row lies in a table. Binary properties hold the value, 64 KiB each; a value that is too long for one
 * entity goes on in a second one, its rest.
 *
 * | property     | type    | there when                                                                        |
 * |--------------|---------|-----------------------------------------------------------------------------------|
 * | `d0` ... `d10` | Binary  | the value has that many bytes; in order                                           |
 * | `g`          | String  | the value has a rest: its generation, new with every write of the row             |
 * | `v`          | String  | the entity was touched by a condition after it was written: the version it had    |
 * | `x`          | Boolean | it is no row but a condition that there is none (commit-plan.ts); nobody sees it  |
 */
import { dataLoss } from "../../errors.ts";
import { maxEntityValueBytes, maxPropertyBytes } from "./limits.ts";

/** An entity as it was read. */
export interface Entity {
  readonly rowKey: string;
  readonly etag: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What is written to one entity, besides its keys. */
export type Properties = Readonly<Record<string, string | boolean | Uint8Array>>;

/** Names of the properties that say what an entity is, without its value. */
export const stateProperties = ["g", "v", "x"];

/** Marks an entity that stands for "there is no such row". */
export const absenceMark: Properties = { x: true };

/** The properties of a row, and of its rest when it needs one. `generation` is called for one that was never used. */
export function propertiesOf(
  pieces: readonly Uint8Array[],
  generation: () => string,
): { row: Properties; rest?: { generation: string; properties: Properties } } {
  const value = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  if (value.length <= maxEntityValueBytes) return { row: dataProperties(value) };
  const rest = { generation: generation(), properties: dataProperties(value.subarray(maxEntityValueBytes)) };
  return { row: { ...dataProperties(value.subarray(0, maxEntityValueBytes)), g: rest.generation }, rest };
}

/** The part of a value that an entity holds. */
export function dataOf(entity: Entity): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let index = 0; ; index++) {
    const part = entity.properties[`d${index}`];
    if (part === undefined || part === null) break;
    if (!(part instanceof Uint8Array)) throw dataLoss("a row has a property of a wrong type");
    parts.push(part);
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/**
 * The version of a row: its ETag when it was last written. Conditions that touched it since have changed its ETag only.
 */
export function versionOf(entity: Entity): string {
  const { v } = entity.properties;
  return typeof v === "string" ? v : entity.etag;
}

/** The generation of the rest of a row; `undefined` when it has none. */
export function generationOf(entity: Entity): string | undefined {
  const { g } = entity.properties;
  return typeof g === "string" ? g : undefined;
}

/** Whether this is no row. */
export function isAbsence(entity: Entity): boolean {
  return entity.properties.x === true;
}

function dataProperties(value: Uint8Array): Properties {
  const properties: Record<string, Uint8Array> = {};
  for (let index = 0; index * maxPropertyBytes < value.length; index++) {
    properties[`d${index}`] = value.subarray(index * maxPropertyBytes, (index + 1) * maxPropertyBytes);
  }
  return properties;
}
