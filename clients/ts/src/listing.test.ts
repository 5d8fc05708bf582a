import { LIMITS } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { listing, type PageOptions } from "./listing.ts";

/** Iterates over a list of three pages, and returns the page sizes that it asked for. */
async function sizesOf(options: PageOptions): Promise<number[]> {
  const sizes: number[] = [];
  const pages = ["b", "c", ""];
  const list = listing(options, async (pageSize) => {
    sizes.push(pageSize);
    return { items: [sizes.length], nextPageToken: pages[sizes.length - 1] };
  });
  const items: number[] = [];
  for await (const item of list) items.push(item);
  expect(items).toEqual([1, 2, 3]);
  return sizes;
}

describe("an iteration over a list", () => {
  it("asks for a page of the default size, and then for the largest pages", async () => {
    expect(await sizesOf({})).toEqual([0, LIMITS.maxPageSize, LIMITS.maxPageSize]);
  });

  it("asks for the size that the application names", async () => {
    expect(await sizesOf({ pageSize: 7 })).toEqual([7, 7, 7]);
  });
});
