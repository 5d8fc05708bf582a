import { LIMITS } from "@streamkit/protocol";

/** One page of a list. */
export interface ListPage<V> {
  /** In byte order of their names. May be fewer than `pageSize`, and none, also where more follow. */
  readonly items: readonly V[];
  /** Pass as `pageToken` for the next page; `undefined` on the last one. */
  readonly nextPageToken: string | undefined;
}

/** Which page of a list. */
export interface PageOptions {
  /**
   * Most items wanted of one call: 1 to 1,000. Default 100; an iteration over the list asks for 1,000 from its second
   * call on.
   */
  readonly pageSize?: number;
  /** `nextPageToken` of the page before. Absent: the first page. */
  readonly pageToken?: string;
  /** Ends the call with `CANCELED`. */
  readonly signal?: AbortSignal;
}

/** What to list. */
export interface ListOptions extends PageOptions {
  /** Only names that start with this. */
  readonly prefix?: string;
}

/** A list in byte order: an async iterable over all its items, and its pages one by one. */
export interface Listing<V> extends AsyncIterable<V> {
  /** The page that the options name, and no more. */
  page(): Promise<ListPage<V>>;
}

/** Makes a listing of a call that gives one page. */
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
        // The application wants more than a first page: the fewer calls, the better.
        next = options.pageSize ?? LIMITS.maxPageSize;
      } while (pageToken !== "");
    },
  };
}
