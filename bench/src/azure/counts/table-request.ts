/** Classifies requests to Azure's table service by the bytes that a proxy sees. */

/** Kinds of requests that Azure's price lists distinguish. */
export type RequestKind =
  /** An entity-group transaction. */
  | "transaction"
  /** One entity by its key. */
  | "pointRead"
  /** One page of a query for entities. */
  | "query"
  /** Creating, deleting and listing tables. */
  | "other";

/** Operations of a transaction, by their effect on rows. */
export interface Operations {
  readonly writes: number;
  readonly deletes: number;
}

/** The service's answer to a transaction. */
export type TransactionOutcome = "committed" | "conflict" | "failed";

/** Statuses of an operation whose condition did not hold. */
const CONFLICTS = new Set([404, 409, 412]);

/** The kind of a request, from its method and path. */
export function kindOf(method: string, path: string): RequestKind {
  if (path.includes("/$batch")) return "transaction";
  if (method !== "GET") return "other";
  // A point read has keys in parentheses, a query has empty ones, and the name of a table has none.
  if (/\(\)(?:$|\?)/.test(path)) return "query";
  return /\/(?!Tables)\w+\(/.test(path) ? "pointRead" : "other";
}

/**
 * Counts the operations in the body of a transaction. Each operation has a request line. Values are base64, on lines of
 * their own.
 */
export function operationsOf(body: string): Operations {
  const deletes = body.match(/^DELETE http/gm)?.length ?? 0;
  return { writes: body.match(/^(?:POST|PUT|MERGE|PATCH) http/gm)?.length ?? 0, deletes };
}

/** Reads the answer to a transaction: its own status, and the statuses of the operations in its body. */
export function outcomeOf(status: number, body: string): TransactionOutcome {
  if (status >= 300) return CONFLICTS.has(status) ? "conflict" : "failed";
  const statuses = [...body.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, code]) => Number(code));
  if (statuses.length === 0) return "failed";
  const refused = statuses.find((code) => code >= 300);
  if (refused === undefined) return "committed";
  return CONFLICTS.has(refused) ? "conflict" : "failed";
}

/** Number of entities in the answer to a read. */
export function entitiesIn(kind: RequestKind, status: number, body: string): number {
  if (status !== 200) return 0;
  if (kind === "pointRead") return 1;
  return kind === "query" ? (JSON.parse(body) as { value: unknown[] }).value.length : 0;
}
