/**
 * Storage in Azure Tables, which several servers can share. Needs the package `@azure/data-tables`.
 *
 * @packageDocumentation
 */
import { requirePackage } from "../../optional-package.ts";
import type { Storage } from "../port.ts";
import { AzureStorage } from "./storage.ts";

/** Any object that gets tokens, such as a credential of @azure/identity. */
export interface TokenCredential {
  getToken(
    scopes: string | string[],
    options?: { abortSignal?: AbortSignal | undefined },
  ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

/** How to reach an account, and the identity to use. */
export type AzureCredentials =
  /** A connection string from the portal, with a key or a SAS, or `UseDevelopmentStorage=true` for Azurite. */
  | { readonly connectionString: string }
  /** A key of the account. Set `endpoint` for other clouds; default: `https://<accountName>.table.core.windows.net`. */
  | { readonly accountName: string; readonly accountKey: string; readonly endpoint?: string }
  /** A shared access signature. */
  | { readonly endpoint: string; readonly sas: string }
  /** An identity, such as the result of `defaultAzureCredential()`. */
  | { readonly endpoint: string; readonly credential: TokenCredential };

export interface AzureStorageOptions {
  /**
   * Prefix of the table names of this deployment: at most 31 lower-case letters and digits, the first one a letter.
   * Deployments with different prefixes can share an account. Default: "streamkit".
   */
  readonly tablePrefix?: string;
  /** Longest time for one request, in milliseconds. Default: 10,000. */
  readonly requestTimeoutMillis?: number;
  /** Most times that a read is sent, including the first. Default: 5. */
  readonly readAttempts?: number;
  /** Milliseconds after the first request of a read during which a retry may start. Default: 10,000. */
  readonly readRetryMillis?: number;
}

/**
 * Storage in Azure Table Storage, one table per store. Any number of servers can use the same stores at the same time.
 * A commit is acknowledged once Azure has acknowledged it (G4).
 *
 * @throws TypeError for malformed credentials. Opening a store shows whether Azure accepts them.
 * @throws Error if @azure/data-tables, an optional peer dependency, is not installed
 */
export function azureStorage(credentials: AzureCredentials, options: AzureStorageOptions = {}): Storage {
  return new AzureStorage(credentials, options);
}

/**
 * The credential of the environment, from @azure/identity: variables, workload and managed identity, `az login`.
 *
 * @throws Error if @azure/identity, an optional peer dependency, is not installed
 */
export async function defaultAzureCredential(): Promise<TokenCredential> {
  type Identity = { DefaultAzureCredential: new () => TokenCredential };
  const { DefaultAzureCredential } = requirePackage<Identity>(
    "@azure/identity",
    "signing in to Azure with an identity",
  );
  return new DefaultAzureCredential();
}
