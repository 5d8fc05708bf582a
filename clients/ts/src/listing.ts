import { LIMITS } from "@streamkit/protocol";

/** One page of a list. */
export interface ListPage<V> {
  /** The items, in byte order of their names. A page may be empty although more pages follow. */
  readonly items: readonly V[];
  /** The `pageToken` of the next page; `undefined` on the last page. */
  readonly nextPageToken: string | undefined;
}

/** Options of one page of a list. */
export interface PageOptions {
  /**
   * Most items of one page: 1 to 1,000. Default 100. An iteration over the whole list uses 1,000 from its second page
   * on.
   */
  readonly pageSize?: number;
  /** `nextPageToken` of the previous page. Default: the first page. */
  readonly pageToken?: string;
  /** Ends the call with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** Options of a list of names. */
export interface ListOptions extends PageOptions {
  /** Prefix of the listed names. Default: all names. */
  readonly prefix?: string;
}

/** A list in byte order. Iterate over all items, or take one page. */
export interface Listing<V> extends AsyncIterable<V> {
  /** Fetches the one page that the options name. */
  page(): Promise<ListPage<V>>;
}

/** Makes a listing from a function that fetches one page. */
export function listing<V>(
  options: PageOptions,
  fetchPage: (pageSize: number, pageToken: string) => Promise<{ items: readonly V[]; nextPageToken: string }>,
): Listing<V> {
  const pageSize = options.pageSize ?? 0;
  return {
    async page() {
      const { items, nextPageToken } = await fetchPage(pageSize, options.pageToken ?? "");
      return { items, nextPageToken: nextPageToken || undefined };
    },
    async *[Symbol.asyncIterator]() {
      let pageToken = options.pageToken ?? "";
      let next = pageSize;
      do {
        const page = await fetchPage(next, pageToken);
        yield* page.items;
        pageToken = page.nextPageToken;
        // The application reads on, so larger pages save calls.
        next = options.pageSize ?? LIMITS.maxPageSize;
      } while (pageToken !== "");
    },
  };
}
