import type { EncodedBatch } from "../rows/batch.ts";

/** Bytes of entries that complete a page; also the bytes of one read from storage. */
export const PAGE_BYTES = 512 * 1024;

/**
 * Most bytes of entries on a page, unless a single batch has more. A batch is at most one transaction, which the limits
 * keep below 1.2 MiB. Responses therefore stay far below the 3 MiB of `Limits.max_response_bytes`, also as JSON.
 */
export const MAX_PAGE_BYTES = 1024 * 1024;

/** Counts the bytes of a page while it is filled. */
export class PageMeter {
  #bytes = 0;

  /** True if an item of this size belongs on the next page. */
  overflows(bytes: number): boolean {
    return this.#bytes > 0 && this.#bytes + bytes > MAX_PAGE_BYTES;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True if the page is complete. */
  get full(): boolean {
    return this.#bytes >= PAGE_BYTES;
  }

  reset(): void {
    this.#bytes = 0;
  }
}

/** Splits batches into pages. Without batches, the result is one empty page. */
export function splitPages(batches: readonly EncodedBatch[]): readonly (readonly EncodedBatch[])[] {
  let total = 0;
  for (const batch of batches) total += batch.byteLength;
  if (total <= MAX_PAGE_BYTES) return [batches];
  const pages: EncodedBatch[][] = [[]];
  const meter = new PageMeter();
  for (const batch of batches) {
    if (meter.overflows(batch.byteLength) || meter.full) {
      pages.push([]);
      meter.reset();
    }
    pages[pages.length - 1].push(batch);
    meter.add(batch.byteLength);
  }
  return pages;
}
