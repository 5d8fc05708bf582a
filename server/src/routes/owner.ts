import type { ContextValues } from "@connectrpc/connect";
import { principalKey } from "../access/gate.ts";

/**
 * Returns the principal that leases, cursors and workers of a call are bound to: the subject of its principal if the
 * grants bind, otherwise "".
 */
export function ownerOf(values: ContextValues, storeId: string): string {
  const principal = values.get(principalKey);
  return principal?.grants.binds(storeId) === true ? principal.subject : "";
}
