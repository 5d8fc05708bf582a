import { invalidField } from "../../errors.ts";

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True if the name is a store id in its only spelling: a UUID in lower case. */
export function isStoreId(name: string): boolean {
  return PATTERN.test(name);
}

/** @throws INVALID_FIELD for anything but a UUID in lower case, since the id becomes the name of a directory */
export function assertStoreId(storeId: string): void {
  if (!isStoreId(storeId)) throw invalidField("store_id", "must be a UUID in lower case");
}
