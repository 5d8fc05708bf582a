/** What a request to Azure's table service is, told from the bytes that a proxy sees. */

/** Kinds of requests, as Azure's price lists tell them apart. */
export type RequestKind =
  /** An entity-group transaction. */
  | "transaction"
  /** One entity by its key. */
  | "pointRead"
  /** One page of a query for entities. */
  | "query"
  /** Tables: made, deleted, listed. */
  | "other";

/** Operations of a transaction, by what becomes of the rows. */
export interface Operations {
  readonly writes: number;
  readonly deletes: number;
}

/** What the service said to a transaction. */
export type TransactionOutcome = "committed" | "conflict" | "failed";

/** Statuses of an operation whose condition did not hold. */
const CONFLICTS = new Set([404, 409, 412]);

/** The kind of a request, by its method and path. */
export function kindOf(method: string, path: string): RequestKind {
  if (path.includes("/$batch")) return "transaction";
  if (method !== "GET") return "other";
  // Keys are in the parentheses of a point read, and nothing is in those of a query; a name of a table has neither.
  if (/\(\)(?:$|\?)/.test(path)) return "query";
  return /\/(?!Tables)\w+\(/.test(path) ? "pointRead" : "other";
}

/**
 * Counts the operations in the body of a transaction. Each has its request line; values are base64 on lines of their
 * own.
 */
export function operationsOf(body: string): Operations {
  const deletes = body.match(/^DELETE http/gm)?.length ?? 0;
  return { writes: body.match(/^(?:POST|PUT|MERGE|PATCH) http/gm)?.length ?? 0, deletes };
}

/** Reads the answer to a transaction: its own status, and those of the operations in its body. */
export function outcomeOf(status: number, body: string): TransactionOutcome {
  if (status >= 300) return CONFLICTS.has(status) ? "conflict" : "failed";
  const statuses = [...body.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, code]) => Number(code));
  if (statuses.length === 0) return "failed";
  const refused = statuses.find((code) => code >= 300);
  if (refused === undefined) return "committed";
  return CONFLICTS.has(refused) ? "conflict" : "failed";
}

/** Entities in the answer to a read. */
export function entitiesIn(kind: RequestKind, status: number, body: string): number {
  if (status !== 200) return 0;
  if (kind === "pointRead") return 1;
  return kind === "query" ? (JSON.parse(body) as { value: unknown[] }).value.length : 0;
}
