import { randomUUID } from "node:crypto";
import { closeSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ErrorReason } from "@streamkit/protocol";
import { Level } from "level";
import { storageUnavailable } from "../../errors.ts";
import { AbstractLevelPartitionStore } from "../abstract-level/partition-store.ts";
import { isLockedError } from "../abstract-level/storage-error.ts";
import { VersionCounter } from "../abstract-level/version-counter.ts";
import { WriteQueue } from "../abstract-level/write-queue.ts";
import type { PartitionStore } from "../port.ts";
import { isDiskFull } from "../system-error.ts";
import { PROBE_PREFIX } from "./data-folder.ts";
import type { DiskSpace } from "./disk-space.ts";
import { PRIVATE_FILE } from "./durable-files.ts";
import { bytesOfOrphans, removeOrphans } from "./orphans.ts";
import { StoreFiles } from "./store-files.ts";
import { verifyDatabase } from "./verify-database.ts";

export type LevelDatabase = Level<Uint8Array, Uint8Array>;

/** The part of LevelDB that other abstract-level databases lack. */
interface Compactable {
  compactRange(from: Uint8Array, to: Uint8Array, options: { keyEncoding: "view" }): Promise<void>;
}

/** Bytes of the small files that LevelDB makes when it opens. */
const SLACK_TO_OPEN = 64 * 1024;

export interface LevelDatabaseOptions {
  readonly cacheSize: number;
  readonly writeBufferSize: number;
}

/** Called when a store ends. */
export interface LevelStoreOwner {
  /** The database was closed. */
  released(): void;
  /** The database was closed, and its owner must delete its files. */
  remove(): Promise<void>;
}

/** The database of a directory. It opens itself soon after this call, so make it only to open it at once. */
export function makeDatabase(directory: string, options: LevelDatabaseOptions): LevelDatabase {
  return new Level<Uint8Array, Uint8Array>(directory, {
    keyEncoding: "view",
    valueEncoding: "view",
    // With true, LevelDB would replace a store that lost its root file by an empty one.
    createIfMissing: false,
    ...options,
  });
}

/** Verifies and opens the database of a store that exists. */
export async function openLevelStore(
  directory: string,
  options: LevelDatabaseOptions,
  space: DiskSpace,
  owner: LevelStoreOwner,
): Promise<{ store: PartitionStore; files: StoreFiles }> {
  await verify(directory, options);
  const database = await openDatabase(directory, options, space);
  try {
    const files = new StoreFiles(directory);
    const log = space.watch();
    const commits = new WriteQueue(database, await VersionCounter.recover(database), {
      writing: (bytes) => log.writing(bytes),
      written: () => files.check(),
      failed: ({ reason }) => {
        if (reason === ErrorReason.DISK_FULL) space.exhausted();
      },
    });
    const compact = async (from: Buffer, to: Buffer) => {
      if (!space.low) return;
      space.uncompacted.add(directory);
      await (database as LevelDatabase & Compactable).compactRange(from, to, { keyEncoding: "view" });
      space.uncompacted.delete(directory);
      log.flushed();
      space.look();
    };
    // If this compaction also fails for lack of room, later commits report that.
    if (space.uncompacted.has(directory)) compact(Buffer.of(0), Buffer.of(0xff)).catch(() => undefined);
    const release = async () => {
      log.closed();
      await database.close();
      owner.released();
    };
    const store = new AbstractLevelPartitionStore(database, commits, {
      release,
      remove: async () => {
        await release();
        await owner.remove();
      },
      assertPresent: () => files.assertPresent(),
      assertRoom: () => space.assertRoom(),
      canReopen: ({ reason }) =>
        reason === ErrorReason.DISK_FULL ? space.hasRoomFor(bytesToOpen(directory)) : isWritable(dirname(directory)),
      compact,
    });
    return { store, files };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Opens a database. If the disk is full, gives up the reserve, removes orphaned tables, and tries once more. */
async function openDatabase(
  directory: string,
  options: LevelDatabaseOptions,
  space: DiskSpace,
): Promise<LevelDatabase> {
  const sized = { ...options, writeBufferSize: space.writeBuffer };
  const first = makeDatabase(directory, sized);
  try {
    await first.open();
    return first;
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
  space.exhausted();
  removeOrphans(directory);
  const second = makeDatabase(directory, sized);
  await second.open();
  return second;
}

/** True if this process can make files in a folder. The mode of the folder does not show that. */
function isWritable(folder: string): boolean {
  const path = join(folder, `${PROBE_PREFIX}${randomUUID()}`);
  try {
    closeSync(openSync(path, "wx", PRIVATE_FILE));
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Bytes that LevelDB writes when it opens: the tables of its logs, and a new manifest. The remains of merges that ran
 * out of room are removed before that, and count as free.
 */
function bytesToOpen(directory: string): number {
  let bytes = SLACK_TO_OPEN;
  for (const name of readdirSync(directory)) {
    if (/^(?:\d+\.log|MANIFEST-\d+)$/.test(name)) bytes += statSync(join(directory, name)).size * 1.1;
  }
  return bytes - bytesOfOrphans(directory);
}

/**
 * Verifies the files of a store. The files of a store that is open in some process change all the time, and look
 * damaged.
 */
async function verify(directory: string, options: LevelDatabaseOptions): Promise<void> {
  try {
    await verifyDatabase(directory);
  } catch (error) {
    if (await isLocked(makeDatabase(directory, options))) {
      throw storageUnavailable("the store is open already, here or in another process; close it there first", error);
    }
    throw error;
  }
}

/** LevelDB takes its lock first. With `errorIfExists` it then stops before it changes any file. */
export async function isLocked(database: LevelDatabase): Promise<boolean> {
  try {
    await database.open({ errorIfExists: true });
    await database.close();
    return false;
  } catch (error) {
    return isLockedError(error);
  }
}
