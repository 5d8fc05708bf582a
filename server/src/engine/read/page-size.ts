import type { EncodedBatch } from "../rows/batch.ts";

/** Bytes of entries that complete a page; also what is read from storage at a time. */
export const PAGE_BYTES = 512 * 1024;

/**
 * Most bytes of entries on a page, unless one batch alone has more. A batch is one transaction at most, which the
 * limits keep below 1.2 MiB; so no response comes near the 3 MiB of `Limits.max_response_bytes`, as JSON neither.
 */
export const MAX_PAGE_BYTES = 1024 * 1024;

/** Counts the bytes of a page while it is filled. */
export class PageMeter {
  #bytes = 0;

  /** True when an item of so many bytes belongs on the next page. */
  overflows(bytes: number): boolean {
    return this.#bytes > 0 && this.#bytes + bytes > MAX_PAGE_BYTES;
  }

  /** Counts an item. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** True when the page is complete. */
  get full(): boolean {
    return this.#bytes >= PAGE_BYTES;
  }

  /** Begins the next page. */
  reset(): void {
    this.#bytes = 0;
  }
}

/** Cuts batches into pages; no batches are one page. */
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
