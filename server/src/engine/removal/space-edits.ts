import type { EncodedBatch } from "../rows/batch.ts";
import { lastPositionOf, spaceBlockKey, spaceBlockRange } from "../rows/key-space.ts";
import { decodeSpaceBlock, type SpaceBlock } from "../rows/rows.ts";
import type { SpaceLog } from "../space/space-log.ts";

/** The changes of one step to the space log. */
export class SpaceEdits {
  readonly #log: SpaceLog;
  /** Last offset of a row -> its new content. */
  readonly #blocks = new Map<number, SpaceBlock>();

  constructor(log: SpaceLog) {
    this.#log = log;
  }

  /** Approximate bytes of the changed rows. */
  get bytes(): number {
    let bytes = 0;
    for (const { batches, refs } of this.#blocks.values()) {
      bytes += 100 * refs.length;
      for (const batch of batches) bytes += batch.byteLength;
    }
    return bytes;
  }

  /** Removes the first `count` entries of a batch from its row. */
  async remove(batch: EncodedBatch, count: number): Promise<void> {
    const found = await this.#blockAt(batch.firstOffset);
    // An earlier unfinished step, or the deletion of the space, has already removed the row.
    if (found === undefined) return;
    const through = batch.firstOffset + count - 1;
    const { lastOffset, block } = found;
    this.#blocks.set(lastOffset, {
      ...block,
      batches: block.batches.flatMap((b) => {
        if (b.segment !== batch.segment || b.firstOffset > through || b.lastOffset < batch.firstOffset) return [b];
        return b.lastOffset <= through ? [] : [b.slice(through - b.firstOffset + 1, b.count)];
      }),
      refs: block.refs.flatMap((ref) => {
        const last = ref.firstOffset + ref.count - 1;
        if (ref.segment !== batch.segment || ref.firstOffset > through || last < batch.firstOffset) return [ref];
        return last <= through ? [] : [{ ...ref, firstOffset: through + 1, count: last - through }];
      }),
    });
  }

  /** Merges holes. Returns the rows to write and delete, by their last offsets, and the first offset of the space. */
  async finish(): Promise<{ puts: Map<number, SpaceBlock>; deletes: Set<number>; firstOffset: number }> {
    const puts = new Map([...this.#blocks].sort(([a], [b]) => a - b));
    const deletes = new Set<number>();
    for (const [lastOffset, block] of puts) {
      if (!isHole(block)) continue;
      let { firstOffset } = block;
      // The preceding row ends directly before this one, so its key is known.
      for (let before = await this.#hole(puts, deletes, firstOffset - 1); before !== undefined; ) {
        puts.delete(firstOffset - 1);
        deletes.add(firstOffset - 1);
        firstOffset = before;
        before = await this.#hole(puts, deletes, firstOffset - 1);
      }
      const next = await this.#nextHole(puts, lastOffset);
      if (next === undefined) {
        puts.set(lastOffset, { ...block, firstOffset, commitId: 0n });
      } else {
        puts.delete(lastOffset);
        deletes.add(lastOffset);
        puts.set(next, { firstOffset, batches: [], refs: [], commitId: 0n });
      }
    }
    let { firstOffset } = this.#log.head;
    for (const [lastOffset, block] of [...puts].sort(([a], [b]) => a - b)) {
      if (!isHole(block) || block.firstOffset > firstOffset) continue;
      firstOffset = lastOffset + 1;
      puts.delete(lastOffset);
      deletes.add(lastOffset);
    }
    return { puts, deletes, firstOffset };
  }

  /** Returns the first offset of the hole that ends at `lastOffset`; undefined if there is none. */
  async #hole(
    puts: ReadonlyMap<number, SpaceBlock>,
    deletes: ReadonlySet<number>,
    lastOffset: number,
  ): Promise<number | undefined> {
    if (lastOffset < this.#log.head.firstOffset || deletes.has(lastOffset)) return undefined;
    const planned = puts.get(lastOffset);
    if (planned !== undefined) return isHole(planned) ? planned.firstOffset : undefined;
    const row = await this.#log.store.get(this.#log.partition, spaceBlockKey(lastOffset));
    const block = row && decodeSpaceBlock(row.value, this.#log.space);
    return block !== undefined && isHole(block) ? block.firstOffset : undefined;
  }

  /**
   * Returns the last offset of the hole that starts directly after `lastOffset`; undefined if there is none or the step
   * already changes it.
   */
  async #nextHole(puts: ReadonlyMap<number, SpaceBlock>, lastOffset: number): Promise<number | undefined> {
    const found = await this.#stored(lastOffset + 1);
    if (found === undefined || puts.has(found.lastOffset)) return undefined;
    return isHole(found.block) && found.block.firstOffset === lastOffset + 1 ? found.lastOffset : undefined;
  }

  async #blockAt(offset: number): Promise<{ lastOffset: number; block: SpaceBlock } | undefined> {
    const found = await this.#stored(offset);
    const block = found && (this.#blocks.get(found.lastOffset) ?? found.block);
    if (found === undefined || block === undefined || block.firstOffset > offset) return undefined;
    return { lastOffset: found.lastOffset, block };
  }

  async #stored(offset: number): Promise<{ lastOffset: number; block: SpaceBlock } | undefined> {
    for await (const rows of this.#log.store.scan(this.#log.partition, { ...spaceBlockRange(offset), limit: 1 })) {
      for (const row of rows) {
        return { lastOffset: lastPositionOf(row.key), block: decodeSpaceBlock(row.value, this.#log.space) };
      }
    }
    return undefined;
  }
}

function isHole(block: SpaceBlock): boolean {
  return block.batches.length === 0 && block.refs.length === 0;
}
