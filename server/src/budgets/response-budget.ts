import type { Interceptor } from "@connectrpc/connect";
import type { Account } from "./account.ts";
import { accountKey } from "./peer.ts";

/**
 * Ends a stream with OVERLOADED instead of making its next message while its caller has left too much unread. What is made already stays
 * with the caller, so the memory of slow readers is bounded by the limits and one message per stream.
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
