import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../../errors.ts";
import type { StoredWorker } from "./group-view.ts";
import type { Member } from "./member.ts";

/** True if a worker is bound to a principal other than `owner`. */
export function isBoundToOther(record: StoredWorker["record"] | undefined, owner: string): boolean {
  return record !== undefined && record.owner !== "" && record.owner !== owner;
}

/** Returns the error for a change of a worker that is bound to another principal. */
export function boundToOther(id: string): ServerError {
  const message = `worker "${id}" is bound to another principal; use another id`;
  return new ServerError(ErrorReason.PERMISSION_DENIED, message);
}

/** Members that wait to replace a worker which is bound to another principal. */
export function findForeign(
  stored: ReadonlyMap<string, StoredWorker>,
  members: ReadonlyMap<string, Member>,
): readonly Member[] {
  return [...members.values()].filter(
    ({ id, joined, record }) => !joined && isBoundToOther(stored.get(id)?.record, record.owner),
  );
}
