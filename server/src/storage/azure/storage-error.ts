/** Translates what Azure and the network answer. The only place that knows Azure's status and error codes. */
import type { RestError } from "@azure/data-tables";
import { defect, ServerError, StorageUnusableError, StoreDeletedError, storageUnavailable } from "../../errors.ts";

/** A table that is being deleted can be made again after this long, roughly (Azure documents 40 s at least). */
const tableDeletionMillis = 40_000;

/** A table cannot be made because the one of its name is still being removed. */
export function tableStillRemoved(cause: unknown): ServerError {
  return storageUnavailable("the store was deleted, and Azure still removes its table", cause, tableDeletionMillis);
}

/** The request was given up by us. */
export class RequestTimeout extends Error {
  override readonly name = "RequestTimeout";
}

/** What a failed request says, without what it was made of: requests carry signatures and tokens. */
export interface Failure {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Azure's code, as `TableNotFound`, or that of the system, as `ECONNREFUSED`. */
  readonly code: string;
  /** What the server asks to wait. */
  readonly retryAfterMillis?: number;
}

/** What went wrong with a request. */
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
  // @azure/identity's, by name: it is an optional dependency.
  if (error instanceof Error && /^(\w*AuthenticationError|CredentialUnavailableError)$/.test(error.name)) {
    return { status: 401, code: error.name };
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { status: 0, code: code || (error instanceof Error ? error.name : "") };
}

/** By name, as the SDK itself does: an application may have several copies of it. */
function isRestError(error: unknown): error is RestError {
  return error instanceof Error && error.name === "RestError";
}

/** What a header says: seconds, or a date. */
export function retryAfter(headers: { get(name: string): string | undefined } | undefined): number | undefined {
  const value = headers?.get("retry-after");
  if (value === undefined || value === "") return undefined;
  const millis = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(millis) ? Math.max(0, millis) : undefined;
}

/** Whether the same request may succeed a little later. */
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

/** A condition of an operation did not hold. */
export function isConditionFailed(failure: Failure): boolean {
  return isEntityMissing(failure) || (failure.status === 409 && !isTableMissing(failure)) || failure.status === 412;
}

/**
 * A failure as the port words it, naming what to fix.
 *
 * What the SDK throws is not passed on as the cause: it holds the request, with the signature or the SAS.
 */
export function storageError(error: unknown): Error {
  return isRequestFailure(error) ? errorOf(failureOf(error)) : (error as Error);
}

/**
 * Whether a request failed. Anything else is a finding about an answer, or a defect, which must not look like an
 * outage.
 */
export function isRequestFailure(error: unknown): boolean {
  const others = [ServerError, TypeError, RangeError, ReferenceError, SyntaxError];
  return !others.some((type) => error instanceof type);
}

/** As `storageError`, for a failure that was made out already. */
export function errorOf(failure: Failure): ServerError {
  const { status, code, retryAfterMillis } = failure;
  const answer = `${status} ${code}`.trimEnd();
  const cause = new Error(status === 0 ? `no answer: ${code}` : `HTTP ${answer}`);
  const unavailable = (message: string, millis = retryAfterMillis) => storageUnavailable(message, cause, millis);
  // Azure serves nothing of a table from the moment on that its deletion was asked for.
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
      // The sizes and keys of requests are our own making.
      return defect(`Azure refused a request as malformed (${answer})`);
    case 429:
      return unavailable("Azure throttles the account (429)");
    default:
      return unavailable(`Azure Table Storage failed (${answer})`);
  }
}
