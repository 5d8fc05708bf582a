import { ErrorReason } from "@streamkit/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Listed } from "../engine/names.ts";
import { Paging } from "./list-page.ts";

const MIB = 1024 * 1024;
const refused = expect.objectContaining({
  reason: ErrorReason.INVALID_FIELD,
  facts: expect.objectContaining({ fieldViolations: [expect.objectContaining({ field: "page_token" })] }),
});

interface Item {
  readonly name: string;
  readonly bytes: number;
}

/** Returns all pages of a list. `undefined` stands for a name without an item. */
async function pagesOf(rows: readonly Listed<Item>[], pageSize: number): Promise<Item[][]> {
  const pages: Item[][] = [];
  for (let pageToken = ""; ; ) {
    const paging = new Paging({ pageSize, pageToken }, "items", "store");
    const rest = rows.slice(rows.findIndex(({ name }) => name === paging.after) + 1);
    const page = await paging.take(rest, ({ bytes }) => bytes);
    pages.push(page.items);
    pageToken = page.nextPageToken;
    if (pageToken === "") return pages;
  }
}

const item = (name: string, bytes: number): Listed<Item> => ({ name, item: { name, bytes } });

describe("pages of a list (M3)", () => {
  it("have every item once, in order, and none is too large (LST-004)", async () => {
    const row = fc.record({ listed: fc.boolean(), bytes: fc.constantFrom(10, 1_000, 400_000, 2 * MIB) });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (plan, size) => {
        const rows = plan.map(({ listed, bytes }, i) => {
          const name = String(i).padStart(4, "0");
          return listed ? item(name, bytes) : { name, item: undefined };
        });
        const pages = await pagesOf(rows, size);
        expect(pages.flat()).toEqual(rows.flatMap((each) => each.item ?? []));
        for (const page of pages) {
          expect(page.length).toBeLessThanOrEqual(size);
          const total = page.reduce((sum, { bytes }) => sum + bytes, 0);
          expect(page.length === 1 || total <= MIB).toBe(true);
        }
      }),
    );
  });

  it("end with the last item", async () => {
    const rows = Array.from({ length: 6 }, (_, i) => item(`${i}`, 10));
    expect((await pagesOf(rows, 3)).map((page) => page.length)).toEqual([3, 3]);
    expect((await pagesOf(rows, 4)).map((page) => page.length)).toEqual([4, 2]);
    expect((await pagesOf([], 4)).map((page) => page.length)).toEqual([0]);
  });

  it("read a bounded number of names without an item", async () => {
    const gone = (name: string): Listed<Item> => ({ name, item: undefined });
    const rows = [...Array.from({ length: 25_000 }, (_, i) => gone(`a${String(i).padStart(5, "0")}`)), item("b", 10)];
    let seen = 0;
    function* counted() {
      for (const row of rows) {
        seen++;
        yield row;
      }
    }
    const { items, nextPageToken } = await new Paging({ pageSize: 5, pageToken: "" }, "items", "store").take(
      counted(),
      ({ bytes }) => bytes,
    );
    expect(items).toEqual([]);
    expect(nextPageToken).not.toBe("");
    expect(seen).toBeLessThan(12_000);
    expect((await pagesOf(rows, 5)).flat()).toEqual([{ name: "b", bytes: 10 }]);
  });
});

describe("a page token", () => {
  const take = async (...scope: string[]) => {
    const paging = new Paging({ pageSize: 1, pageToken: "" }, ...scope);
    return (await paging.take([item("é name", 1), item("z", 1)], () => 1)).nextPageToken;
  };

  it("stands for the end of the previous page", async () => {
    const pageToken = await take("spaces", "store", "prefix");
    expect(new Paging({ pageSize: 1, pageToken }, "spaces", "store", "prefix").after).toBe("é name");
  });

  it("of another list is refused (LST-005)", async () => {
    const pageToken = await take("spaces", "store", "prefix");
    for (const scope of [
      ["segments", "store", "prefix"],
      ["spaces", "store 2", "prefix"],
      ["spaces", "store", ""],
      ["spaces", "storeprefix"],
    ]) {
      expect(() => new Paging({ pageSize: 1, pageToken }, ...scope), scope.join()).toThrow(refused);
    }
  });

  it("that the server did not create is refused in every form (LST-005)", async () => {
    const known = await take("spaces", "store");
    const check = (pageToken: string): void => {
      expect(() => new Paging({ pageSize: 1, pageToken }, "spaces", "store")).toThrow(refused);
    };
    for (const token of ["a", "====", "!not a token!", "AAAAAA", `${known}=`, ` ${known}`, known.slice(0, -1)])
      check(token);
    check("A".repeat(1_000_000));
    fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 60 }), check));
    fc.assert(fc.property(fc.base64String({ minLength: 4, maxLength: 80 }), check));
  });
});
