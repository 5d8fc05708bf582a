import { outcomeOf } from "./table-request.ts";
import type { Exchange } from "./wire-counts.ts";

/**
 * The capacity of an account that the written entities take, derived from the transactions that a proxy saw. Azure's
 * formula for one entity (Microsoft, "How the size of an entity is calculated in Windows Azure table storage"): 4
 * bytes, 2 per character of both keys, and per property 8, 2 per character of its name, and its value.
 */
export class StoredSize {
  readonly #bytesByKey = new Map<string, number>();

  get entities(): number {
    return this.#bytesByKey.size;
  }

  get bytes(): number {
    return [...this.#bytesByKey.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Processes one exchange. Only a successful transaction has an effect. */
  observe({ path, requestBody, status, responseBody }: Exchange): void {
    if (!path.includes("/$batch") || outcomeOf(status, responseBody.toString()) !== "committed") return;
    for (const line of requestBody.toString().split("\r\n")) {
      const deleted = /^DELETE \S+\(PartitionKey='(.*)',RowKey='(.*)'\) /.exec(line);
      if (deleted !== null) {
        this.#bytesByKey.delete(keyOf(decodeURIComponent(deleted[1]), decodeURIComponent(deleted[2])));
      } else if (line.startsWith("{")) {
        const entity = JSON.parse(line) as Entity;
        this.#bytesByKey.set(keyOf(entity.PartitionKey, entity.RowKey), entityBytes(entity));
      }
    }
  }
}

/** An entity in the form that a transaction writes. */
interface Entity {
  readonly PartitionKey: string;
  readonly RowKey: string;
  readonly [property: string]: string | boolean;
}

/** Capacity of one entity, in bytes. */
export function entityBytes(entity: Entity): number {
  const { PartitionKey, RowKey, ...properties } = entity;
  let bytes = 4 + 2 * (PartitionKey.length + RowKey.length);
  for (const [name, value] of Object.entries(properties)) {
    if (name.endsWith("@odata.type")) continue;
    bytes += 8 + 2 * name.length;
    if (typeof value === "boolean") bytes += 1;
    else if (entity[`${name}@odata.type`] === "Edm.Binary") bytes += 4 + Buffer.byteLength(value, "base64");
    else bytes += 4 + 2 * value.length;
  }
  return bytes;
}

const keyOf = (partitionKey: string, rowKey: string) => `${partitionKey}\n${rowKey}`;
