/**
 * Room on the volume of a data folder. LevelDB needs room to open a store and to delete from it. So appends are refused
 * while there is still some: what is left serves reads, trims and deletions. And a file holds room against other
 * writers of the volume; it is given up once the volume is full, and taken again when there is plenty.
 *
 *   <path>/.reserve    as large as what opening the store with the largest log may write
 */
import { randomFillSync } from "node:crypto";
import { rmSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { NoRoomError } from "../../errors.ts";
import { isDiskFull } from "../system-error.ts";
import { privateFile } from "./durable-files.ts";

const MIB = 1024 * 1024;
/**
 * Appends are refused while less is free than LevelDB may need to merge tables: four of the size of its write buffer,
 * and 32 MiB of the levels below; on small volumes a third.
 */
const MERGED_BUFFERS = 4;
const MERGED_LEVELS = 32 * MIB;
const FLOOR_SHARE = 3;
/**
 * Write buffers are at most so much of a volume, and at least 1 MiB: the larger they are, the more room merges need.
 */
const BUFFER_SHARE = 64;
/** The reserve of a store that has written nothing, and the steps in which it grows. */
const MIN_RESERVE = MIB;
const RESERVE_STEP = 4 * MIB;
/** With more room than this the reserve need not grow yet: it would only cost writes. */
const PLENTY = 1024 * MIB;
/** Time between two looks while stores are written to, in milliseconds. */
const LOOK_MILLIS = 250;
/** What a byte of a commit may take: in the log, in a table, and while tables are merged. */
const COPIES = 4;

/** The log of one open store: what opening it again has to write. */
export interface StoreLog {
  /** Bytes are about to be written. */
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

  /** @param maxWriteBuffer bytes that a store gathers before they become a table, where there is room */
  constructor(path: string, maxWriteBuffer: number) {
    this.#path = path;
    this.#reservePath = join(path, ".reserve");
    this.#maxWriteBuffer = maxWriteBuffer;
    this.#writeBuffer = maxWriteBuffer;
  }

  /** Bytes that a store that is opened now should gather before they become a table. */
  get writeBuffer(): number {
    return this.#writeBuffer;
  }

  /** True while appends are refused. */
  get low(): boolean {
    return this.#low;
  }

  /** @throws NoRoomError while what is left of the volume is kept for reading, trimming and deleting */
  assertRoom(): void {
    this.refresh();
    if (!this.#low) return;
    const left = `${Math.round(this.#free / 1024)} KiB are free at ${this.#path}`;
    throw new NoRoomError(new Error(`ENOSPC: ${left}, which are kept for reads, trims and deletions`));
  }

  /** Whether so many bytes can be written. */
  hasRoomFor(bytes: number): boolean {
    this.look();
    return this.#free >= bytes;
  }

  /** Looks, unless that was done a moment ago. */
  refresh(): void {
    if (performance.now() - this.#lookedAt > LOOK_MILLIS) this.look();
  }

  /** Looks how much room there is, and gives the reserve up, or takes it, accordingly. */
  look(): void {
    this.#lookedAt = performance.now();
    try {
      const { bavail, bsize, blocks } = statfsSync(this.#path);
      this.#free = bavail * bsize;
      const total = blocks * bsize;
      this.#writeBuffer = Math.min(this.#maxWriteBuffer, Math.max(MIB, Math.floor(total / BUFFER_SHARE)));
      this.#floor = Math.min(total / FLOOR_SHARE, MERGED_BUFFERS * this.#writeBuffer + MERGED_LEVELS);
    } catch {
      // There is no folder yet, or no more: whoever uses it will say so.
      return;
    }
    if (!this.#low && this.#free < this.#floor) this.exhausted();
    else if (this.#low && this.#free >= 2 * this.#floor + this.#reserveWanted()) this.#low = false;
    if (!this.#low) void this.#grow();
    this.#budget = Math.max(0, this.#free - this.#floor);
  }

  /** There is no room: appends are refused from now on, and the reserve is given up for everything else. */
  exhausted(): void {
    this.#low = true;
    const before = this.#reservedBytes();
    try {
      rmSync(this.#reservePath, { force: true });
      this.#reserved = 0;
      this.#free += before;
    } catch {
      // A volume that is read-only has no need of room.
    }
  }

  /** Watches the log of a store that was opened. */
  watch(): StoreLog {
    const log: StoreLog = {
      writing: (bytes) => {
        // One log is written to, while the one before becomes a table.
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

  /** Brings the reserve to its size; where there is no room for it, the volume counts as full. */
  async #grow(): Promise<void> {
    if (this.#growing !== undefined || this.#logs.size === 0) return;
    const wanted = this.#free > PLENTY ? MIN_RESERVE : this.#reserveWanted();
    const missing = wanted - this.#reservedBytes();
    if (missing <= 0) return;
    if (this.#free - missing < this.#floor) {
      this.exhausted();
      return;
    }
    this.#growing = this.#extend(missing).finally(() => {
      this.#growing = undefined;
      // What was written meanwhile.
      if (!this.#low && this.#reserved !== undefined) this.look();
    });
    await this.#growing;
  }

  async #extend(bytes: number): Promise<void> {
    try {
      const file = await open(this.#reservePath, "a", privateFile);
      try {
        // Random, so that no file system stores less of it.
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
      // Any other failure is that of the folder, and shows in what is done there.
      else this.#reserved = undefined;
    }
  }
}
