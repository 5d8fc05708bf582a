import { crc32c } from "@node-rs/crc32";
import { LIMITS } from "@streamkit/protocol";
import type { Listed } from "../engine/names.ts";
import { invalidField } from "../errors.ts";
import { checkAll } from "./checks.ts";

const DEFAULT_PAGE_SIZE = 100;
/** Most bytes of items on a page. A page stays below Limits.max_response_bytes, also as JSON. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** Most rows without an item that one call passes over. Ended leases and workers leave such rows behind. */
const MAX_PASSED = 10_000;
/** Longest possible token: 4 bytes and a name, in base64. */
const MAX_TOKEN_LENGTH = 400;
/** Upper bound of the tag, length and varint of a field. */
const FIELD_BYTES = 16;

/** The fields of a list request that select a page. */
export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** A page of a list. */
export interface ListPage<Item> {
  readonly items: Item[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/**
 * Cuts a list into pages by number of items, by bytes, and by rows read. A page may have fewer items than the request
 * asks for, or none. Only an empty token means the end of the list.
 */
export class Paging {
  /** Most items of the page. */
  readonly size: number;
  /** Name after which the page begins; "" for the first page. */
  readonly after: string;
  readonly #scope: Buffer;

  /**
   * @param scope the method and the fields that select the list; a token is valid for the same list only
   * @throws ServerError INVALID_FIELD if the page size is too large or the token does not belong to this list
   */
  constructor({ pageSize, pageToken }: PageRequest, ...scope: readonly string[]) {
    // A name never contains U+0000.
    this.#scope = Buffer.from(`${scope.join("\u0000")}\u0000`);
    const { size, after } = checkAll({ size: () => toPageSize(pageSize), after: () => this.#nameOf(pageToken) });
    this.size = size;
    this.after = after;
  }

  /**
   * Takes one page from a list.
   *
   * @param list rows in order, beginning after `after`
   * @param bytesOf size of an encoded item
   */
  async take<Item>(
    list: AsyncIterable<Listed<Item>> | Iterable<Listed<Item>>,
    bytesOf: (item: Item) => number,
  ): Promise<ListPage<Item>> {
    const items: Item[] = [];
    let last = this.after;
    let bytes = 0;
    let passed = 0;
    for await (const { name, item } of list) {
      if (item === undefined) {
        passed++;
      } else {
        const more = bytesOf(item) + FIELD_BYTES;
        if (items.length === this.size || (items.length > 0 && bytes + more > MAX_PAGE_BYTES)) {
          return { items, nextPageToken: this.#tokenOf(last) };
        }
        items.push(item);
        bytes += more;
      }
      last = name;
      if (passed === MAX_PASSED) return { items, nextPageToken: this.#tokenOf(last) };
    }
    return { items, nextPageToken: "" };
  }

  /** A token is the last name that the page reached, with a checksum over the name and the scope. */
  #tokenOf(name: string): string {
    const bytes = Buffer.from(name);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(this.#checksum(bytes));
    return Buffer.concat([check, bytes]).toString("base64url");
  }

  #nameOf(token: string): string {
    if (token === "") return "";
    const bytes = Buffer.from(token.length > MAX_TOKEN_LENGTH ? "" : token, "base64url");
    const known = bytes.length > 4 && bytes.readUInt32BE(0) === this.#checksum(bytes.subarray(4));
    if (!known || bytes.toString("base64url") !== token) {
      const expected = "expected next_page_token of the previous page, with the other fields unchanged";
      throw invalidField("page_token", `is not a token of this list; ${expected}`);
    }
    return bytes.toString("utf8", 4);
  }

  #checksum(name: Uint8Array): number {
    return crc32c(name, crc32c(this.#scope));
  }
}

function toPageSize(size: number): number {
  if (size > LIMITS.maxPageSize) {
    throw invalidField("page_size", `is ${size}; expected 1 to ${LIMITS.maxPageSize}, or 0`);
  }
  return size === 0 ? DEFAULT_PAGE_SIZE : size;
}

/** Upper bound of the bytes of a message that has these texts and a number for each. */
export function bytesOfTexts(...texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + FIELD_BYTES, 0);
}
