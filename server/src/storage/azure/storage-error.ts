/** Translates answers of Azure and failures of the network. No other file knows Azure's status and error codes. */
import type { RestError } from "@azure/data-tables";
import { defect, ServerError, StorageUnusableError, StoreDeletedError, storageUnavailable } from "../../errors.ts";

/** Approximate time until the table of a deleted store can be made again (Azure documents 40 s at least). */
const TABLE_DELETION_MILLIS = 40_000;

/** The error for a table that cannot be made because Azure still removes an earlier table of that name. */
export function tableStillRemoved(cause: unknown): ServerError {
  return storageUnavailable(
    "Azure still removes the table of the deleted store; try again later",
    cause,
    TABLE_DELETION_MILLIS,
  );
}

/** Our own time limit ended the request. */
export class RequestTimeout extends Error {
  override readonly name = "RequestTimeout";
}

/** A failed request, reduced to facts that hold no secret: requests carry signatures and tokens. */
export interface Failure {
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Azure's code, such as `TableNotFound`, or that of the system, such as `ECONNREFUSED`. */
  readonly code: string;
  /** The time that the server asks the client to wait. */
  readonly retryAfterMillis?: number;
}

/** The failure of a request. */
export function failureOf(error: unknown): Failure {
  if (isRestError(error)) {
    const details = error.details as { odataError?: { code?: string } } | undefined;
    const code = details?.odataError?.code ?? error.response?.headers.get("x-ms-error-code") ?? error.code ?? "";
    const retryAfterMillis = retryAfter(error.response?.headers);
    return {
      status: error.statusCode ?? 0,
      code,
      ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
    };
  }
  if (error instanceof RequestTimeout) return { status: 0, code: "timeout" };
  // Compares by name, since @azure/identity is an optional dependency.
  if (error instanceof Error && /^(\w*AuthenticationError|CredentialUnavailableError)$/.test(error.name)) {
    return { status: 401, code: error.name };
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { status: 0, code: code || (error instanceof Error ? error.name : "") };
}

/** Compares by name, as the SDK itself does: an application may have several copies of the SDK. */
function isRestError(error: unknown): error is RestError {
  return error instanceof Error && error.name === "RestError";
}

/** Milliseconds to wait, from a header in seconds or with a date. */
export function retryAfter(headers: { get(name: string): string | undefined } | undefined): number | undefined {
  const value = headers?.get("retry-after");
  if (value === undefined || value === "") return undefined;
  const millis = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(millis) ? Math.max(0, millis) : undefined;
}

/** True if the same request may succeed a little later. */
export function isTransient({ status }: Failure): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

function isTableMissing({ status, code }: Failure): boolean {
  return (status === 404 && code === "TableNotFound") || isTableBeingDeleted({ status, code });
}

function isTableBeingDeleted({ code }: Failure): boolean {
  return code === "TableBeingDeleted";
}

export function isEntityMissing(failure: Failure): boolean {
  return failure.status === 404 && !isTableMissing(failure);
}

/** True if a condition of an operation did not hold. */
export function isConditionFailed(failure: Failure): boolean {
  return isEntityMissing(failure) || (failure.status === 409 && !isTableMissing(failure)) || failure.status === 412;
}

/**
 * The error of the port for a failure; it names the problem and the remedy.
 *
 * The error of the SDK does not become the cause, because it holds the request with the signature or the SAS.
 */
export function storageError(error: unknown): Error {
  return isRequestFailure(error) ? errorOf(failureOf(error)) : (error as Error);
}

/**
 * True if a request failed. Any other error is a finding about an answer or a defect, and must not look like an outage.
 */
export function isRequestFailure(error: unknown): boolean {
  const others = [ServerError, TypeError, RangeError, ReferenceError, SyntaxError];
  return !others.some((type) => error instanceof type);
}

/** Like `storageError`, for a failure that is already known. */
export function errorOf(failure: Failure): ServerError {
  const { status, code, retryAfterMillis } = failure;
  const answer = `${status} ${code}`.trimEnd();
  const cause = new Error(status === 0 ? `no answer: ${code}` : `HTTP ${answer}`);
  const unavailable = (message: string, millis = retryAfterMillis) => storageUnavailable(message, cause, millis);
  // Azure refuses all requests to a table from the moment its deletion is requested.
  if (isTableMissing(failure)) return new StoreDeletedError(cause);
  switch (status) {
    case 0:
      return unavailable(
        `Azure Table Storage does not answer (${code}); check the endpoint, the network, and that the service runs`,
      );
    case 401:
      return new StorageUnusableError(
        `Azure refused the credentials (${answer}); check account name, key, SAS or identity`,
        cause,
      );
    case 403:
      return new StorageUnusableError(
        `Azure refused access (${answer}); check the key, the expiry and permissions of the SAS, the firewall of the ` +
          "account, or that the identity has the role Storage Table Data Contributor",
        cause,
      );
    case 400:
    case 413:
      // This code chooses the sizes and keys of requests.
      return defect(`Azure refused a request as malformed (${answer})`);
    case 429:
      return unavailable("Azure throttles the account (429); try again later");
    default:
      return unavailable(`Azure Table Storage failed (${answer})`);
  }
}
