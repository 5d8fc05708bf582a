/**
 * Room on the volume of a data folder. LevelDB needs room to open a store and to delete from it. So the server refuses
 * appends while some room is left, and keeps that room for reads, trims and deletions. A reserve file holds room
 * against other writers of the volume. The server deletes it once the volume is full, and writes it again when there is
 * plenty.
 *
 *   <path>/.reserve    as large as the writes that opening the store with the largest log may need
 */
import { randomFillSync } from "node:crypto";
import { rmSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { NoRoomError } from "../../errors.ts";
import { isDiskFull } from "../system-error.ts";
import { PRIVATE_FILE } from "./durable-files.ts";

const MIB = 1024 * 1024;
/**
 * Appends are refused while less is free than LevelDB may need to merge tables: four times its write buffer, and 32 MiB
 * for the levels below; on small volumes a third of the volume.
 */
const MERGED_BUFFERS = 4;
const MERGED_LEVELS = 32 * MIB;
const FLOOR_SHARE = 3;
/** A write buffer is at most 1/64 of a volume, and at least 1 MiB: larger buffers need more room for merges. */
const BUFFER_SHARE = 64;
/** The reserve of a store that has written nothing, and the step in which the reserve grows. */
const MIN_RESERVE = MIB;
const RESERVE_STEP = 4 * MIB;
/** With more free room than this, the reserve stays at its minimum: a larger one would only cost writes. */
const PLENTY = 1024 * MIB;
/** Time between two looks at the volume while stores are written to, in milliseconds. */
const LOOK_MILLIS = 250;
/** Bytes on disk per byte of a commit, at most: in the log, in a table, and while tables are merged. */
const COPIES = 4;

/** The log of one open store. The next open has to write its content to a table. */
export interface StoreLog {
  /** The store is about to write this many bytes. */
  writing(bytes: number): void;
  /** The log has become a table. */
  flushed(): void;
  closed(): void;
}

export class DiskSpace {
  readonly #path: string;
  readonly #reservePath: string;
  readonly #maxWriteBuffer: number;
  readonly #logs = new Map<StoreLog, number>();
  /** Directories of stores whose deleted rows still take room, because a compaction was interrupted. */
  readonly uncompacted = new Set<string>();
  #low = false;
  #free = Number.POSITIVE_INFINITY;
  #floor = MIB;
  #writeBuffer: number;
  #budget = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #reserved: number | undefined;
  #growing: Promise<void> | undefined;
  #closed = false;

  /** @param maxWriteBuffer bytes that a store gathers before it writes a table, if the volume has the room */
  constructor(path: string, maxWriteBuffer: number) {
    this.#path = path;
    this.#reservePath = join(path, ".reserve");
    this.#maxWriteBuffer = maxWriteBuffer;
    this.#writeBuffer = maxWriteBuffer;
  }

  /** Bytes that a store opened now should gather before it writes a table. */
  get writeBuffer(): number {
    return this.#writeBuffer;
  }

  /** True while appends are refused. */
  get low(): boolean {
    return this.#low;
  }

  /** @throws NoRoomError while the rest of the volume is kept for reads, trims and deletions */
  assertRoom(): void {
    this.refresh();
    if (!this.#low) return;
    const left = `${Math.round(this.#free / 1024)} KiB are free at ${this.#path}`;
    throw new NoRoomError(new Error(`ENOSPC: ${left}, which are kept for reads, trims and deletions`));
  }

  /** True if this many bytes can be written. */
  hasRoomFor(bytes: number): boolean {
    this.look();
    return this.#free >= bytes;
  }

  /** Looks at the volume, unless the last look was a moment ago. */
  refresh(): void {
    if (performance.now() - this.#lookedAt > LOOK_MILLIS) this.look();
  }

  /** Looks how much room the volume has, and gives up or takes the reserve accordingly. */
  look(): void {
    this.#lookedAt = performance.now();
    try {
      const { bavail, bsize, blocks } = statfsSync(this.#path);
      this.#free = bavail * bsize;
      const total = blocks * bsize;
      this.#writeBuffer = Math.min(this.#maxWriteBuffer, Math.max(MIB, Math.floor(total / BUFFER_SHARE)));
      this.#floor = Math.min(total / FLOOR_SHARE, MERGED_BUFFERS * this.#writeBuffer + MERGED_LEVELS);
    } catch {
      // The folder does not exist, yet or any more; the next use of the folder reports that.
      return;
    }
    if (!this.#low && this.#free < this.#floor) this.exhausted();
    else if (this.#low && this.#free >= 2 * this.#floor + this.#reserveWanted()) this.#low = false;
    if (!this.#low) void this.#grow();
    this.#budget = Math.max(0, this.#free - this.#floor);
  }

  /** Reacts to a full volume: refuses appends from now on, and gives up the reserve for all other writes. */
  exhausted(): void {
    this.#low = true;
    const before = this.#reservedBytes();
    try {
      rmSync(this.#reservePath, { force: true });
      this.#reserved = 0;
      this.#free += before;
    } catch {
      // A read-only volume needs no room.
    }
  }

  /** Leaves the reserve as it is from now on. Resolves when nothing writes to it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#growing;
  }

  /** Watches the log of a store that was opened. */
  watch(): StoreLog {
    const log: StoreLog = {
      writing: (bytes) => {
        // LevelDB writes one log while the log before becomes a table.
        const written = Math.min(2 * this.#writeBuffer, (this.#logs.get(log) ?? 0) + bytes);
        this.#logs.set(log, written);
        this.#budget -= COPIES * bytes;
        if (this.#budget < 0) this.look();
        else if (this.#low || this.#free > PLENTY) this.refresh();
        else if (this.#growing === undefined && this.#reserveFor(written) > this.#reservedBytes()) this.look();
      },
      flushed: () => this.#logs.set(log, 0),
      closed: () => this.#logs.delete(log),
    };
    this.#logs.set(log, 0);
    return log;
  }

  #reserveWanted(): number {
    return this.#reserveFor(Math.max(0, ...this.#logs.values()));
  }

  #reserveFor(logBytes: number): number {
    if (logBytes < MIN_RESERVE / 4) return MIN_RESERVE;
    const step = Math.min(RESERVE_STEP, this.#floor);
    return MIN_RESERVE + Math.ceil((logBytes * 1.1) / step) * step;
  }

  #reservedBytes(): number {
    if (this.#reserved === undefined) {
      try {
        this.#reserved = statSync(this.#reservePath).size;
      } catch {
        this.#reserved = 0;
      }
    }
    return this.#reserved;
  }

  /** Brings the reserve to its size. If there is no room for it, the volume counts as full. */
  async #grow(): Promise<void> {
    if (this.#closed || this.#growing !== undefined || this.#logs.size === 0) return;
    const wanted = this.#free > PLENTY ? MIN_RESERVE : this.#reserveWanted();
    const missing = wanted - this.#reservedBytes();
    if (missing <= 0) return;
    if (this.#free - missing < this.#floor) {
      this.exhausted();
      return;
    }
    this.#growing = this.#extend(missing).finally(() => {
      this.#growing = undefined;
      // Take in the writes made meanwhile.
      if (!this.#low && this.#reserved !== undefined) this.look();
    });
    await this.#growing;
  }

  async #extend(bytes: number): Promise<void> {
    try {
      const file = await open(this.#reservePath, "a", PRIVATE_FILE);
      try {
        // Random bytes, so that no file system compresses them.
        const block = Buffer.allocUnsafe(MIB);
        for (let written = 0; written < bytes && !this.#low; written += block.length) {
          randomFillSync(block);
          await file.write(block, 0, Math.min(block.length, bytes - written));
        }
        this.#reserved = (await file.stat()).size;
      } finally {
        await file.close();
      }
      if (this.#low) this.exhausted();
    } catch (error) {
      if (isDiskFull(error)) this.exhausted();
      // Any other failure is a failure of the folder, and the next use of the folder reports it.
      else this.#reserved = undefined;
    }
  }
}
