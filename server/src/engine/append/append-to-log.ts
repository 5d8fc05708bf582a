import type { SessionOrder } from "../commit/group-commit.ts";
import type { SpaceLog } from "../space/space-log.ts";
import type { AppendTransaction } from "./append.ts";
import { AppendMutation, type AppendResult } from "./append-mutation.ts";

/**
 * Appends one transaction; resolves when it is durable. Queues it before it returns, so that calls commit in their
 * order.
 *
 * @throws ServerError OVERLOADED, and the reasons for which the transaction is refused
 */
export function appendToLog(
  log: SpaceLog,
  transaction: AppendTransaction,
  session?: SessionOrder,
): Promise<AppendResult> {
  try {
    log.assertRoom();
  } catch (error) {
    return Promise.reject(error);
  }
  return log.submit(new AppendMutation(log, transaction, session));
}
