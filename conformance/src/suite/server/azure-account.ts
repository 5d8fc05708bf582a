import { existsSync } from "node:fs";

/** The repository's tool that starts an Azurite. It is no part of the package. */
const AZURITE = new URL("../../../../server/src/storage/azure/test/azurite.ts", import.meta.url);

interface AzuriteTool {
  startAzurite(): Promise<{ readonly port: number; stop(): Promise<void> }>;
  connectionStringTo(port: number): string;
}

/** Where the cells of backend "azure" keep their data. */
export class AzureAccount implements AsyncDisposable {
  readonly #given: string | undefined;
  #azurite: ReturnType<AzuriteTool["startAzurite"]> | undefined;

  /**
   * @param connectionString of an account to use; absent: in the repository, an Azurite that starts when it is first
   *   needed
   */
  constructor(connectionString?: string) {
    this.#given = connectionString;
  }

  /** @throws Error when no account was given, outside of the repository */
  async connectionString(): Promise<string> {
    if (this.#given !== undefined) return this.#given;
    if (!existsSync(AZURITE)) {
      throw new Error(
        "cells with Azure storage need an account: --azure-connection-string, UseDevelopmentStorage=true for an Azurite that runs",
      );
    }
    const { connectionStringTo, startAzurite }: AzuriteTool = await import(AZURITE.href);
    this.#azurite ??= startAzurite();
    return connectionStringTo((await this.#azurite).port);
  }

  /** Ends the Azurite, and with it everything that it held. An account that was given is left as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#azurite?.catch(() => undefined))?.stop();
  }
}
