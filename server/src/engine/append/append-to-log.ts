import type { SessionOrder } from "../commit/group-commit.ts";
import type { SpaceLog } from "../space/space-log.ts";
import { AppendMutation, type AppendResult } from "./append-mutation.ts";
import type { AppendTransaction } from "./apply-append.ts";

/**
 * Appends one transaction; resolves when it is durable. Calls commit in their order, because the transaction is queued
 * before the function returns.
 *
 * @throws ServerError OVERLOADED, and the reasons that refuse the transaction
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
