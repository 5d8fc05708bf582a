/**
 * Entities: the form of a row in a table. Binary properties of 64 KiB each hold the value. A value that is too long for
 * one entity continues in a second one, its rest.
 *
 * | property       | type    | present if                                                                        |
 * |----------------|---------|-----------------------------------------------------------------------------------|
 * | `d0` ... `d10` | Binary  | the value has that many bytes; in order                                           |
 * | `g`            | String  | the value has a rest; the generation of the rest, new with every write of the row |
 * | `v`            | String  | a condition touched the entity after the last write; the version from that write  |
 * | `x`            | Boolean | the entity is a mark of absence (commit-plan.ts), which readers skip              |
 */
import { dataLoss } from "../../errors.ts";
import { MAX_ENTITY_VALUE_BYTES, MAX_PROPERTY_BYTES } from "./limits.ts";

/** An entity as read from Azure. */
export interface Entity {
  readonly rowKey: string;
  readonly etag: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The properties to write to one entity, without its keys. */
export type Properties = Readonly<Record<string, string | boolean | Uint8Array>>;

/** Names of the properties that describe the state of an entity, without its value. */
export const STATE_PROPERTIES = ["g", "v", "x"];

/** Properties of a mark of absence: an entity for "there is no such row". */
export const absenceMark: Properties = { x: true };

/**
 * The properties of a row, and of its rest if it needs one. `generation` must return one that was never used before.
 */
export function propertiesOf(
  pieces: readonly Uint8Array[],
  generation: () => string,
): { row: Properties; rest?: { generation: string; properties: Properties } } {
  const value = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  if (value.length <= MAX_ENTITY_VALUE_BYTES) return { row: dataProperties(value) };
  const rest = { generation: generation(), properties: dataProperties(value.subarray(MAX_ENTITY_VALUE_BYTES)) };
  return { row: { ...dataProperties(value.subarray(0, MAX_ENTITY_VALUE_BYTES)), g: rest.generation }, rest };
}

/** The part of a value that an entity holds. */
export function dataOf(entity: Entity): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let index = 0; ; index++) {
    const part = entity.properties[`d${index}`];
    if (part === undefined || part === null) break;
    if (!(part instanceof Uint8Array)) throw dataLoss("a row has a property of the wrong type");
    parts.push(part);
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/**
 * The version of a row: the ETag of its last write. A condition that touches the row later changes the ETag, but not
 * the version.
 */
export function versionOf(entity: Entity): string {
  const { v } = entity.properties;
  return typeof v === "string" ? v : entity.etag;
}

/** The generation of the rest of a row; `undefined` if the row has none. */
export function generationOf(entity: Entity): string | undefined {
  const { g } = entity.properties;
  return typeof g === "string" ? g : undefined;
}

/** True for a mark of absence. */
export function isAbsence(entity: Entity): boolean {
  return entity.properties.x === true;
}

function dataProperties(value: Uint8Array): Properties {
  const properties: Record<string, Uint8Array> = {};
  for (let index = 0; index * MAX_PROPERTY_BYTES < value.length; index++) {
    properties[`d${index}`] = value.subarray(index * MAX_PROPERTY_BYTES, (index + 1) * MAX_PROPERTY_BYTES);
  }
  return properties;
}
