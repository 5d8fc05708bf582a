import type { Interceptor } from "@connectrpc/connect";
import type { Pace } from "../engine/read/consume.ts";
import { PAGE_BYTES } from "../engine/read/page-size.ts";
import type { Account } from "./account.ts";
import { accountKey } from "./peer.ts";

/**
 * Ends a stream with OVERLOADED before its next message if its caller has left too much unread. The caller still gets
 * all earlier messages. So the limits and one message per stream bound the memory that slow readers take.
 */
export const responseBudget: Interceptor = (next) => async (request) => {
  const response = await next(request);
  const account = request.contextValues.get(accountKey);
  if (!response.stream || account === undefined) return response;
  return { ...response, message: checked(response.message, account) };
};

async function* checked<T>(messages: AsyncIterable<T>, account: Account): AsyncGenerator<T> {
  account.check("responseBytes");
  for await (const message of messages) {
    yield message;
    account.check("responseBytes");
  }
}

/** A page shrinks once fewer than this many full pages have room. */
const PAGES_OF_ROOM = 256;
const MIN_PAGE_BYTES = 16 * 1024;

/**
 * Sizes the pages of a read. The more bytes the caller has left unread, the smaller the pages. So a connection has room
 * for hundreds of paused readers, while a single active reader gets large pages.
 */
export class ReadPace implements Pace {
  readonly #account: Account;

  constructor(account: Account) {
    this.#account = account;
  }

  get pageBytes(): number {
    const share = Math.floor(this.#account.left("responseBytes") / PAGES_OF_ROOM);
    return Math.max(MIN_PAGE_BYTES, Math.min(PAGE_BYTES, share));
  }

  /**
   * Counts a page that was read but not sent yet, so that readers that start at the same time see each other's pages.
   */
  reserve(bytes: number): Disposable {
    let reserved = bytes;
    this.#account.add("responseBytes", reserved);
    return {
      [Symbol.dispose]: () => {
        this.#account.give("responseBytes", reserved);
        reserved = 0;
      },
    };
  }
}
