import { StoreDeletedError } from "../../errors.ts";
import { assertStoreId } from "../abstract-level/store-id.ts";
import type { PartitionStore, Storage } from "../port.ts";
import { type Account, accountOf } from "./account.ts";
import type { AzureCredentials, AzureStorageOptions } from "./index.ts";
import { ensureMarker } from "./marker.ts";
import { AzurePartitionStore } from "./partition-store.ts";
import { withRetries } from "./read-retry.ts";
import { sdk } from "./sdk.ts";
import { type RequestLimits, Table, withTimeout } from "./table.ts";
import { assertTablePrefix, storeIdOf, tableNameOf } from "./table-name.ts";

/** Most tables in one page of a listing. */
const TABLES_PER_PAGE = 1_000;

/** Time limit of a probe. It is short, since probes follow each other. */
const PROBE_MILLIS = 5_000;
const probeOnce = { attempts: 1, totalMillis: PROBE_MILLIS };

export class AzureStorage implements Storage {
  readonly kind = "azure";
  readonly location: string;
  readonly shared = true;
  readonly #account: Account;
  readonly #prefix: string;
  readonly #limits: RequestLimits;

  constructor(credentials: AzureCredentials, options: AzureStorageOptions) {
    this.#account = accountOf(credentials);
    this.#prefix = options.tablePrefix ?? "streamkit";
    assertTablePrefix(this.#prefix);
    this.location = this.#account.endpoint;
    this.#limits = {
      timeoutMillis: options.requestTimeoutMillis ?? 10_000,
      reads: { attempts: options.readAttempts ?? 5, totalMillis: options.readRetryMillis ?? 10_000 },
    };
  }

  async open(storeId: string, { create }: { create: boolean }): Promise<PartitionStore | undefined> {
    assertStoreId(storeId);
    const table = new Table(this.#account, tableNameOf(this.#prefix, storeId), this.#limits);
    try {
      await ensureMarker(table, storeId);
    } catch (error) {
      // A store exists as long as its table. Azure hides a deleted table at once, and only the cleanup takes time.
      if (!(error instanceof StoreDeletedError)) throw error;
      if (!create) return undefined;
      await table.create();
      await ensureMarker(table, storeId);
    }
    return new AzurePartitionStore(table);
  }

  async list({ after, limit }: { after?: string; limit: number }): Promise<string[]> {
    const client = new (sdk().tables.TableServiceClient)(
      this.#account.endpoint,
      this.#account.credential as never,
      this.#account.clientOptions,
    );
    const lowest = after === undefined ? `ge '${this.#prefix}'` : `gt '${tableNameOf(this.#prefix, after)}'`;
    const filter = `TableName ${lowest} and TableName lt '${this.#prefix}g'`;
    const ids: string[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await withRetries(this.#limits.reads, () =>
        withTimeout(this.#limits.timeoutMillis, async (abortSignal) => {
          const settings = {
            maxPageSize: Math.min(TABLES_PER_PAGE, limit),
            ...(continuationToken === undefined ? {} : { continuationToken }),
          };
          return (await client.listTables({ queryOptions: { filter }, abortSignal }).byPage(settings).next()).value;
        }),
      );
      for (const { name } of page) {
        const id = storeIdOf(this.#prefix, name ?? "");
        if (id !== undefined) ids.push(id);
      }
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined && ids.length < limit);
    return ids.slice(0, limit);
  }

  async probe(): Promise<void> {
    const limits = { timeoutMillis: Math.min(PROBE_MILLIS, this.#limits.timeoutMillis), reads: probeOnce };
    const table = new Table(this.#account, `${this.#prefix}probe`, limits);
    try {
      await table.query({ filter: "PartitionKey eq 'probe'", top: 1 });
    } catch (error) {
      // The table does not exist, but the account answered and allowed the read.
      if (!(error instanceof StoreDeletedError)) throw error;
    }
  }

  async close(): Promise<void> {}
}
