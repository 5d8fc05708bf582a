/** Lists of a principal with limited grants: the parts that the grants cover, in exact pages, and no other name. */
import { createClient } from "@connectrpc/connect";
import { StoreService, StreamService } from "@streamkit/protocol";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStreamkit, type Grant, Grants, memoryStorage, type Streamkit } from "../../src/index.ts";

const STORES = Array.from({ length: 12 }, (_, at) => `${at.toString(16)}0000000-0000-4000-8000-00000000000a`);
const [STORE] = STORES;
const NAMES = ["a", "aa", "ab", "abc", "b", "ba", "ba/é", "c", "ca", "z"];

let grants = Grants.all;
let streamkit: Streamkit;
beforeAll(async () => {
  const authenticate = () => ({ subject: "alice", grants });
  streamkit = createStreamkit({ storage: memoryStorage(), authenticate });
  const trusted = createClient(StreamService, streamkit.transport());
  const append = (storeId: string, space: string, segment: string) =>
    trusted.append({ storeId, space, appends: [{ segment, records: [{ payload: new Uint8Array(1) }] }] });
  for (const storeId of STORES) await append(storeId, "a", "a");
  for (const space of NAMES) for (const segment of NAMES.slice(0, 4)) await append(STORE, space, segment);
  for (const segment of NAMES) await append(STORE, "b", segment);
});
afterAll(() => streamkit.close());

const limited = () => streamkit.transport({ authenticate: true });

/** Reads a list to its end, and the names in all of its page tokens. */
async function pages<T>(page: (pageToken: string) => Promise<{ items: T[]; nextPageToken: string }>) {
  const items: T[] = [];
  const sizes: number[] = [];
  let tokens = "";
  for (let pageToken = ""; ; ) {
    const { items: more, nextPageToken } = await page(pageToken);
    items.push(...more);
    sizes.push(more.length);
    if (nextPageToken === "") return { items, sizes, tokens };
    tokens += `${Buffer.from(nextPageToken, "base64url").subarray(4)}\n`;
    pageToken = nextPageToken;
  }
}

const listStores = (pageSize: number) =>
  pages(async (pageToken) => {
    const { stores, nextPageToken } = await createClient(StoreService, limited()).listStores({ pageSize, pageToken });
    return { items: stores.map(({ storeId }) => storeId), nextPageToken };
  });

const listSpaces = (prefix: string, pageSize: number) =>
  pages(async (pageToken) => {
    const request = { storeId: STORE, prefix, pageSize, pageToken };
    const { spaces: items, nextPageToken } = await createClient(StreamService, limited()).listSpaces(request);
    return { items, nextPageToken };
  });

const listSegments = (prefix: string, pageSize: number) =>
  pages(async (pageToken) => {
    const request = { storeId: STORE, space: "b", prefix, pageSize, pageToken };
    const { segments, nextPageToken } = await createClient(StreamService, limited()).listSegments(request);
    return { items: segments.map(({ segment }) => segment), nextPageToken };
  });

const name = fc.constantFrom(...NAMES, "absent", "aba");
const limit = fc.oneof(fc.record({ exact: name }), fc.record({ prefix: name }));
const nameOf = (limit: Grant["space"]) => limit && ("exact" in limit ? limit.exact : limit.prefix);
const spaceGrants = fc.array(fc.record({ store: fc.constant(STORE), space: limit }), { minLength: 1, maxLength: 5 });
const prefix = fc.constantFrom("", "a", "ab", "b", "x");
const pageSize = fc.constantFrom(1, 2, 3, 100);

it("lists show the spaces of the grants, in full pages, and tokens hold no other name", async () => {
  await fc.assert(
    fc.asyncProperty(spaceGrants, prefix, pageSize, async (given: Grant[], prefix, pageSize) => {
      grants = Grants.of(given);
      const expected = NAMES.filter((space) => space.startsWith(prefix) && grants.coversSpace("read", STORE, space));
      const { items, sizes, tokens } = await listSpaces(prefix, pageSize);
      expect(items.map(({ space }) => space)).toEqual(expected);
      expect(sizes.slice(0, -1).every((size) => size === pageSize)).toBe(true);
      // A grant may name a space that does not exist.
      const known = new Set([...expected, ...given.map(({ space }) => nameOf(space))]);
      for (const token of tokens.split("\n").slice(0, -1)) expect(known).toContain(token);
    }),
    { numRuns: 60 },
  );
});

it("lists show the segments of the grants", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(limit, { minLength: 1, maxLength: 4 }),
      prefix,
      pageSize,
      async (limits, prefix, size) => {
        grants = Grants.of(limits.map((segment) => ({ store: STORE, space: { exact: "b" }, segment })));
        const expected = NAMES.filter(
          (segment) => segment.startsWith(prefix) && grants.allows("read", STORE, "b", segment),
        );
        const { items, tokens } = await listSegments(prefix, size);
        expect(items).toEqual(expected);
        const known = new Set([...expected, ...limits.map(nameOf)]);
        for (const token of tokens.split("\n").slice(0, -1)) expect(known).toContain(token);
      },
    ),
    { numRuns: 60 },
  );
});

it("hides the numbers of a space of which the grants cover a part", async () => {
  grants = Grants.of([
    { store: STORE, space: { exact: "a" } },
    { store: STORE, space: { exact: "b" }, segment: { exact: "b" } },
  ]);
  const { items } = await listSpaces("", 10);
  expect(items).toMatchObject([
    { space: "a", segmentCount: 4n },
    { space: "b", segmentCount: 0n, firstOffset: 0n, lastOffset: 0n },
  ]);
});

it("lists show the stores of the grants that exist", async () => {
  const absent = "b5000000-0000-4000-8000-00000000000a";
  await fc.assert(
    fc.asyncProperty(fc.subarray([...STORES, absent], { minLength: 1 }), pageSize, async (stores, pageSize) => {
      grants = Grants.of(stores.map((store) => ({ store, space: { exact: "x" } })));
      const { items, tokens } = await listStores(pageSize);
      expect(items).toEqual(stores.filter((store) => store !== absent));
      for (const token of tokens.split("\n").slice(0, -1)) expect(stores).toContain(token);
    }),
    { numRuns: 40 },
  );
  grants = Grants.parse({ scope: "streamkit::*:read" });
  expect((await listStores(5)).items).toEqual(STORES);
});
