import type { TableClient } from "@azure/data-tables";
import { StoreDeletedError, storageUnavailable } from "../../errors.ts";
import type { Account } from "./account.ts";
import type { Entity } from "./entity.ts";
import { type RetryLimits, withRetries } from "./read-retry.ts";
import { sdk } from "./sdk.ts";
import {
  errorOf,
  failureOf,
  isConditionFailed,
  isEntityMissing,
  RequestTimeout,
  retryAfter,
  storageError,
  tableStillRemoved,
} from "./storage-error.ts";
import { decodeTransaction, encodeTransaction, type Operation, type TransactionResponse } from "./transaction.ts";

export interface RequestLimits {
  readonly timeoutMillis: number;
  readonly reads: RetryLimits;
}

/** Selects entities. */
export interface Query {
  readonly filter: string;
  /** Entities per page, at most 1,000. */
  readonly top: number;
  readonly continuationToken?: string | undefined;
  readonly select?: readonly string[];
}

/** Entities of one page. With a token there may be more entities, even after an empty page. */
export interface EntityPage {
  readonly entities: readonly (Entity & { readonly partitionKey: string })[];
  readonly continuationToken: string | undefined;
}

const API_VERSION = "2019-02-02";

/** One table: a method per request. Reads are retried, writes are not. */
export class Table {
  readonly #client: TableClient;
  readonly #url: string;
  readonly #batchUrl: string;
  readonly #limits: RequestLimits;

  constructor(account: Account, name: string, limits: RequestLimits) {
    this.#client = new (sdk().tables.TableClient)(
      account.endpoint,
      name,
      account.credential as never,
      account.clientOptions,
    );
    this.#url = `${account.endpoint}/${name}`;
    this.#batchUrl = `${account.endpoint}/$batch`;
    this.#limits = limits;
  }

  /** Makes the table, unless it exists. */
  async create(): Promise<void> {
    try {
      await this.#repeated((abortSignal) => this.#client.createTable({ abortSignal }));
    } catch (error) {
      throw error instanceof StoreDeletedError ? tableStillRemoved(error) : error;
    }
  }

  /** Deletes the table, if it exists. */
  async delete(): Promise<void> {
    await this.#repeated((abortSignal) => this.#client.deleteTable({ abortSignal }));
  }

  /** Reads one entity, entirely or only the named properties; `undefined` if there is none. */
  async get(partitionKey: string, rowKey: string, select?: readonly string[]): Promise<Entity | undefined> {
    return this.#repeated(async (abortSignal) => {
      try {
        const queryOptions = select === undefined ? {} : { queryOptions: { select: ["RowKey", ...select] } };
        return entityOf(await this.#client.getEntity(partitionKey, rowKey, { abortSignal, ...queryOptions }));
      } catch (error) {
        if (isEntityMissing(failureOf(error))) return undefined;
        throw error;
      }
    });
  }

  /** Reads one page. */
  async query({ filter, top, continuationToken, select }: Query): Promise<EntityPage> {
    return this.#repeated(async (abortSignal) => {
      const queryOptions = { filter, ...(select === undefined ? {} : { select: [...select] }) };
      const settings = { maxPageSize: top, ...(continuationToken === undefined ? {} : { continuationToken }) };
      const { value: page } = await this.#client.listEntities({ queryOptions, abortSignal }).byPage(settings).next();
      return { entities: page.map(entityOf), continuationToken: page.continuationToken };
    });
  }

  /**
   * Sends a transaction, once.
   *
   * @throws STORAGE_UNAVAILABLE if the outcome is unknown, or if Azure did nothing for a reason other than a condition
   */
  async transact(partitionKey: string, operations: readonly Operation[]): Promise<TransactionResponse> {
    const { body, contentType } = encodeTransaction(this.#url, partitionKey, operations);
    const { pipeline, httpClient } = sdk();
    const request = pipeline.createPipelineRequest({
      url: this.#batchUrl,
      method: "POST",
      body,
      headers: pipeline.createHttpHeaders({
        accept: "application/json",
        "accept-charset": "UTF-8",
        "content-type": contentType,
        dataserviceversion: "3.0;",
        maxdataserviceversion: "3.0;NetFx",
        "x-ms-version": API_VERSION,
      }),
      allowInsecureConnection: this.#url.startsWith("http:"),
    });
    try {
      const response = await withTimeout(this.#limits.timeoutMillis, (abortSignal) => {
        request.abortSignal = abortSignal;
        return this.#client.pipeline.sendRequest(httpClient, request);
      });
      const { status, bodyAsText } = response;
      if (status >= 300) {
        const retryAfterMillis = retryAfter(response.headers);
        const code = /"code"\s*:\s*"([^"]*)"|<(?:\w+:)?code>([^<]*)</.exec(bodyAsText ?? "");
        throw errorOf({
          status,
          code: code?.[1] ?? code?.[2] ?? "",
          ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
        });
      }
      const decoded = decodeTransaction(bodyAsText ?? "", operations.length);
      if (decoded === undefined)
        throw storageUnavailable(
          "the outcome of the commit is unknown: Azure's answer to the transaction cannot be read",
        );
      if (!decoded.done && !isConditionFailed(decoded)) throw errorOf(decoded);
      return decoded;
    } catch (error) {
      throw storageError(error);
    }
  }

  #repeated<Result>(send: (abortSignal: AbortSignal) => Promise<Result>): Promise<Result> {
    return withRetries(this.#limits.reads, () => withTimeout(this.#limits.timeoutMillis, send));
  }
}

/** Ends a request after `timeoutMillis`, with a `RequestTimeout`. */
export async function withTimeout<Result>(
  millis: number,
  send: (abortSignal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const signal = AbortSignal.timeout(millis);
  try {
    return await send(signal);
  } catch (error) {
    throw signal.aborted ? new RequestTimeout() : error;
  }
}

function entityOf(found: Record<string, unknown>): Entity & { readonly partitionKey: string } {
  const { partitionKey, rowKey, etag, ...properties } = found;
  return { partitionKey: String(partitionKey), rowKey: String(rowKey), etag: String(etag), properties };
}
