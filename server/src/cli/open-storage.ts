import { resolve } from "node:path";
import { levelStorage, memoryStorage, type Storage } from "../index.ts";
import type { Options } from "./options.ts";
import { UsageError } from "./read-options.ts";

/** The options that name a storage. */
export type StorageOptions = Pick<
  Options,
  "storage" | "path" | "requireData" | "azureConnectionString" | "azureEndpoint"
>;

/** @throws UsageError if the options lack the account of Azure */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  switch (options.storage) {
    case "level":
      return levelStorage({ path: resolve(options.path), requireData: options.requireData });
    case "memory":
      return memoryStorage();
    case "azure": {
      // Loaded on demand, since most servers do not need it and start faster without it.
      const { azureStorage, defaultAzureCredential } = await import("../storage/azure/index.ts");
      const { azureConnectionString: connectionString, azureEndpoint: endpoint } = options;
      if (connectionString !== undefined) return azureStorage({ connectionString });
      if (endpoint !== undefined) return azureStorage({ endpoint, credential: await defaultAzureCredential() });
      throw new UsageError("--storage azure needs --azure-connection-string or --azure-endpoint");
    }
  }
}
