/**
 * Names of tables: a prefix and the 32 digits of the store's UUID.
 *
 * Azure ignores the case of table names; both parts are lower case. Prefixes of different length make names of
 * different length, so deployments with different prefixes can share an account.
 */
import { isStoreId } from "../abstract-level/store-id.ts";

const PREFIX_PATTERN = /^[a-z][a-z0-9]{0,30}$/;
const ID_PATTERN = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/;

/** @throws TypeError for a prefix that Azure would refuse, or that is not in lower case */
export function assertTablePrefix(prefix: string): void {
  if (!PREFIX_PATTERN.test(prefix)) {
    throw new TypeError("tablePrefix: expected 1 to 31 lower-case letters and digits, a letter first");
  }
}

/** The table of a store. */
export function tableNameOf(prefix: string, storeId: string): string {
  return prefix + storeId.replaceAll("-", "");
}

/** The store of a table; `undefined` for tables of other owners. */
export function storeIdOf(prefix: string, tableName: string): string | undefined {
  const name = tableName.toLowerCase();
  if (!name.startsWith(prefix)) return undefined;
  const parts = ID_PATTERN.exec(name.slice(prefix.length));
  const storeId = parts?.slice(1).join("-");
  return storeId !== undefined && isStoreId(storeId) ? storeId : undefined;
}
