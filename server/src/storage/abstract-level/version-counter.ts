/**
 * Hands out the row versions of a store: rising numbers from 1, each used once in the life of the store.
 *
 * The counter is not written with every commit. One stored row holds a reserved number that no version exceeds. When
 * the counter passes this number, the batch that writes the rows also raises the number. Opening a store continues from
 * the reserved number and skips the rest of the reservation, so it is safe after every crash.
 */
import { dataLoss } from "../../errors.ts";
import type { Database, Operation } from "./database.ts";
import { readVersion, VERSION_BYTES, writeVersion } from "./stored-value.ts";

const counterKey = Uint8Array.of(0x00);
const RESERVATION = 1_000_000;

export class VersionCounter {
  #last: number;
  #reserved: number;

  private constructor(reserved: number) {
    this.#last = reserved;
    this.#reserved = reserved;
  }

  /** Continues after the highest version that the store may have used. */
  static async recover(database: Database): Promise<VersionCounter> {
    const stored = await database.get(counterKey);
    if (stored !== undefined) return new VersionCounter(readVersion(stored));
    // Every batch that wrote rows also wrote the counter, or came after a batch that did.
    for await (const _ of database.keys({ limit: 1 })) throw dataLoss("the row of the version counter is missing");
    return new VersionCounter(0);
  }

  /**
   * Returns the next version. After a used-up reservation, adds the next one to `operations`, to be written in the same
   * batch.
   */
  next(operations: Operation[]): number {
    this.#last += 1;
    if (this.#last > this.#reserved) {
      this.#reserved = this.#last + RESERVATION;
      const value = Buffer.alloc(VERSION_BYTES);
      writeVersion(value, this.#reserved);
      operations.push({ type: "put", key: counterKey, value });
    }
    return this.#last;
  }
}
