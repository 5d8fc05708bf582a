import { entitiesIn, kindOf, operationsOf, outcomeOf } from "./table-request.ts";

/** Traffic to a table service. */
export interface WireCounts {
  /** Entity-group transactions that wrote, that met a broken condition, and that failed for another reason. */
  commits: number;
  conflicts: number;
  failures: number;
  pointReads: number;
  /** Queries for entities: each returns one page. */
  queries: number;
  /** Requests about tables. */
  others: number;
  /** Operations of the transactions that wrote, and of all others, which Azure processes too. */
  rowsWritten: number;
  rowsDeleted: number;
  operationsRefused: number;
  /** Entities that reads returned. */
  rowsRead: number;
  /** Bytes of bodies. */
  requestBytes: number;
  responseBytes: number;
}

/** One request and its answer. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly requestBody: Buffer;
  readonly status: number;
  readonly responseBody: Buffer;
}

/** Counts of zero. */
export function zeroWireCounts(): WireCounts {
  return {
    commits: 0,
    conflicts: 0,
    failures: 0,
    pointReads: 0,
    queries: 0,
    others: 0,
    rowsWritten: 0,
    rowsDeleted: 0,
    operationsRefused: 0,
    rowsRead: 0,
    requestBytes: 0,
    responseBytes: 0,
  };
}

/** Adds one exchange to the counts. */
export function count(counts: WireCounts, { method, path, requestBody, status, responseBody }: Exchange): void {
  counts.requestBytes += requestBody.length;
  counts.responseBytes += responseBody.length;
  const kind = kindOf(method, path);
  switch (kind) {
    case "transaction": {
      const { writes, deletes } = operationsOf(requestBody.toString());
      const outcome = outcomeOf(status, responseBody.toString());
      if (outcome === "committed") {
        counts.commits++;
        counts.rowsWritten += writes;
        counts.rowsDeleted += deletes;
        return;
      }
      if (outcome === "conflict") counts.conflicts++;
      else counts.failures++;
      counts.operationsRefused += writes + deletes;
      return;
    }
    case "pointRead":
      counts.pointReads++;
      break;
    case "query":
      counts.queries++;
      break;
    case "other":
      counts.others++;
  }
  counts.rowsRead += entitiesIn(kind, status, responseBody.toString());
}

/** All requests, of any kind. */
export function requestsOf(counts: WireCounts): number {
  const { commits, conflicts, failures, pointReads, queries, others } = counts;
  return commits + conflicts + failures + pointReads + queries + others;
}
