/**
 * Hands out the row versions of a store: 1, 2, 3, ... over its whole life, never one twice.
 *
 * The counter is not written with every commit. One row holds a number that no version handed out so far exceeds; it is
 * raised, in the same batch as the rows, each time the counter passes it. Opening the store continues from there and so
 * skips the rest of the reservation, whatever a crash left behind.
 */
import { dataLoss } from "../../errors.ts";
import type { Database, Operation } from "./database.ts";
import { readVersion, versionBytes, writeVersion } from "./stored-value.ts";

const counterKey = Uint8Array.of(0x00);
const reservation = 1_000_000;

export class VersionCounter {
  #last: number;
  #reserved: number;

  private constructor(reserved: number) {
    this.#last = reserved;
    this.#reserved = reserved;
  }

  /** Continues where the store's last life may have got to. */
  static async recover(database: Database): Promise<VersionCounter> {
    const stored = await database.get(counterKey);
    if (stored !== undefined) return new VersionCounter(readVersion(stored));
    // Every batch that wrote rows also wrote, or came after, the counter.
    for await (const _ of database.keys({ limit: 1 })) throw dataLoss("the row of the version counter is missing");
    return new VersionCounter(0);
  }

  /** The next version; adds the row that reserves it to `operations` when needed, which must be written with it. */
  next(operations: Operation[]): number {
    this.#last += 1;
    if (this.#last > this.#reserved) {
      this.#reserved = this.#last + reservation;
      const value = Buffer.alloc(versionBytes);
      writeVersion(value, this.#reserved);
      operations.push({ type: "put", key: counterKey, value });
    }
    return this.#last;
  }
}
