/** One page of a list of ids: in byte order (ids are ASCII), those after `after`. */
export function pageOfIds(ids: Iterable<string>, { after, limit }: { after?: string; limit: number }): string[] {
  return [...ids]
    .filter((id) => after === undefined || id > after)
    .sort()
    .slice(0, limit);
}
