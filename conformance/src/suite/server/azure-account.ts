import { existsSync } from "node:fs";

/** The repository's tool that starts an Azurite. The package does not contain it. */
const AZURITE = new URL("../../../../server/src/storage/azure/test/azurite.ts", import.meta.url);

interface AzuriteTool {
  startAzurite(): Promise<{ readonly port: number; stop(): Promise<void> }>;
  connectionStringTo(port: number): string;
}

/** The account in which cells of backend "azure" keep their data. */
export class AzureAccount implements AsyncDisposable {
  readonly #given: string | undefined;
  #azurite: ReturnType<AzuriteTool["startAzurite"]> | undefined;

  /**
   * @param connectionString account to use. Default: in the repository, an Azurite that starts when a cell first needs
   * it.
   */
  constructor(connectionString?: string) {
    this.#given = connectionString;
  }

  /** @throws Error outside of the repository if no account was given */
  async connectionString(): Promise<string> {
    if (this.#given !== undefined) return this.#given;
    if (!existsSync(AZURITE)) {
      throw new Error(
        "cells with Azure storage need an account: --azure-connection-string, UseDevelopmentStorage=true for a running Azurite",
      );
    }
    const { connectionStringTo, startAzurite }: AzuriteTool = await import(AZURITE.href);
    this.#azurite ??= startAzurite();
    return connectionStringTo((await this.#azurite).port);
  }

  /** Ends the Azurite, whose data vanish with it. A given account stays unchanged. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#azurite?.catch(() => undefined))?.stop();
  }
}
