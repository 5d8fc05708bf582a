/**
 * Storage in Azure Tables, which several servers can share. Needs the package `@azure/data-tables`.
 *
 * @packageDocumentation
 */
import { requirePackage } from "../../optional-package.ts";
import type { Storage } from "../port.ts";
import { AzureStorage } from "./storage.ts";

/** What @azure/identity's credentials are; any other object that gets tokens fits as well. */
export interface TokenCredential {
  getToken(
    scopes: string | string[],
    options?: { abortSignal?: AbortSignal | undefined },
  ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

/** How to reach an account, and as whom. */
export type AzureCredentials =
  /** A connection string as the portal shows it, with a key or a SAS; or `UseDevelopmentStorage=true` for Azurite. */
  | { readonly connectionString: string }
  /** A key of the account. `endpoint` for other clouds; default: `https://<accountName>.table.core.windows.net`. */
  | { readonly accountName: string; readonly accountKey: string; readonly endpoint?: string }
  /** A shared access signature. */
  | { readonly endpoint: string; readonly sas: string }
  /** An identity, as from `defaultAzureCredential()`. */
  | { readonly endpoint: string; readonly credential: TokenCredential };

export interface AzureStorageOptions {
  /**
   * What the names of this deployment's tables begin with: lower-case letters and digits, a letter first, at most 31.
   * Deployments with different prefixes can share an account. Default: "streamkit".
   */
  readonly tablePrefix?: string;
  /** How long one request may take, in milliseconds. Default: 10,000. */
  readonly requestTimeoutMillis?: number;
  /** How often a read is sent at most, the first time included. Default: 5. */
  readonly readAttempts?: number;
  /** How long after its first request a read may still be sent again, in milliseconds. Default: 10,000. */
  readonly readRetryMillis?: number;
}

/**
 * Storage in Azure Table Storage, one table per store. Any number of servers can use the same stores at the same time.
 * A commit is acknowledged once Azure acknowledged it (G4).
 *
 * @throws TypeError for credentials that cannot be used; whether Azure takes them shows when a store is opened.
 * @throws Error when @azure/data-tables, an optional peer dependency, is not installed.
 */
export function azureStorage(credentials: AzureCredentials, options: AzureStorageOptions = {}): Storage {
  return new AzureStorage(credentials, options);
}

/**
 * The credential of the environment, from @azure/identity: variables, workload and managed identity, `az login`.
 * @throws Error when @azure/identity, an optional peer dependency, is not installed.
 */
export async function defaultAzureCredential(): Promise<TokenCredential> {
  type Identity = { DefaultAzureCredential: new () => TokenCredential };
  const { DefaultAzureCredential } = requirePackage<Identity>(
    "@azure/identity",
    "signing in to Azure with an identity",
  );
  return new DefaultAzureCredential();
}
