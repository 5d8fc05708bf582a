import type { Interceptor } from "@connectrpc/connect";
import type { Pace } from "../engine/read/consume.ts";
import { PAGE_BYTES } from "../engine/read/page-size.ts";
import type { Account } from "./account.ts";
import { accountKey } from "./peer.ts";

/**
 * Ends a stream with OVERLOADED instead of making its next message while its caller has left too much unread. What is
 * made already stays with the caller, so the memory of slow readers is bounded by the limits and one message per
 * stream.
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

/** Pages for which there has to be room before they get smaller. */
const PAGES_OF_ROOM = 256;
const MIN_PAGE_BYTES = 16 * 1024;

/**
 * Sizes the pages of a read: fewer bytes, the more its caller has left unread. So a connection has room for hundreds of
 * readers that have paused, and a single one that reads on gets large pages.
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

  /** Counts a page that is read and not sent yet, so that readers that begin at the same time know of each other. */
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
