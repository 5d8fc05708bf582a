/**
 * Checks the logs of a closed LevelDB database, because LevelDB does not. On open, LevelDB skips the unreadable parts
 * of a log and continues behind them: acknowledged writes would be lost without an error (G11).
 *
 * One write is in flight at a time, and it is synced before the next one begins. So a crash can tear only the last
 * record of the last log, whose write was not acknowledged. Anything unreadable before a later record is damage.
 * LevelDB also numbers its writes: over all logs, a record begins with the number after the last number of the record
 * before.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { dataLoss } from "../../errors.ts";
import { isMissing } from "./file-error.ts";
import { logItems } from "./log-records.ts";
import { type ManifestState, readManifest } from "./manifest.ts";

/** @throws DATA_LOSS if an acknowledged write is certainly missing or unreadable */
export async function verifyDatabase(directory: string): Promise<void> {
  const manifest = await currentManifest(directory);
  const logs = (await readdir(directory))
    .flatMap((name) => (/^\d+\.log$/.test(name) ? [{ name, number: Number.parseInt(name, 10) }] : []))
    .filter((log) => log.number >= manifest.logNumber)
    .sort((a, b) => a.number - b.number);
  // LevelDB makes a log before the manifest names it, and syncs the directory with the manifest.
  if (logs[0]?.number !== manifest.logNumber) throw dataLoss("the log of the database is missing");
  const sequence = new WriteSequence(manifest);
  for (const log of logs) {
    for (const item of logItems(await readRequired(join(directory, log.name)))) {
      if (item.kind === "damage") sequence.damage();
      else sequence.record(item.data);
    }
  }
}

async function currentManifest(directory: string): Promise<ManifestState> {
  const name = nameOfManifest(await readRequired(join(directory, "CURRENT")));
  return readManifest(await readRequired(join(directory, name)));
}

/**
 * The manifest that the content of CURRENT names.
 *
 * @throws DATA_LOSS if CURRENT is damaged
 */
export function nameOfManifest(current: Buffer): string {
  const name = /^(MANIFEST-\d+)\n$/.exec(current.toString("latin1"))?.[1];
  if (name === undefined) throw dataLoss("the CURRENT file of the database is damaged");
  return name;
}

async function readRequired(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) throw dataLoss("a file of the database is missing", error);
    throw error;
  }
}

/** Follows the numbers of the writes through the logs. */
class WriteSequence {
  readonly #manifest: ManifestState;
  /** The number that the next record must begin with; unknown before the first record. */
  #next: number | undefined;
  #damaged = false;

  constructor(manifest: ManifestState) {
    this.#manifest = manifest;
  }

  damage(): void {
    this.#damaged = true;
  }

  record(data: Uint8Array): void {
    if (this.#damaged) throw dataLoss("the log of the database is damaged");
    const header = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    // A write batch: number of its first write as u64, count of writes as u32.
    if (header.length < 12) throw dataLoss("the log of the database is damaged");
    const begin = header.readUInt32LE(0) + header.readUInt32LE(4) * 0x1_0000_0000;
    const follows = this.#next === undefined ? begin <= this.#manifest.lastSequence + 1 : begin === this.#next;
    if (!follows) throw dataLoss("writes are missing from the log of the database");
    this.#next = begin + header.readUInt32LE(8);
  }
}
