/** Where the cells of backend "azure" keep their data. */
export class AzureAccount implements AsyncDisposable {
  readonly #given: string | undefined;
  #azurite: Promise<{ readonly port: number; stop(): Promise<void> }> | undefined;

  /** @param connectionString of an account to use; absent: an Azurite of the run's own, started when it is first needed */
  constructor(connectionString?: string) {
    this.#given = connectionString;
  }

  /** @throws Error when no account was given and the package azurite is not installed */
  async connectionString(): Promise<string> {
    if (this.#given !== undefined) return this.#given;
    // Loaded when it is needed: most runs have no such cell, and a suite that is installed alone has no Azurite.
    const { connectionStringTo, startAzurite } = await import("@streamkit/server/azurite");
    this.#azurite ??= startAzurite();
    try {
      return connectionStringTo((await this.#azurite).port);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw cause;
      throw new Error("cells with Azure storage need an account, or the package azurite: npm install azurite", {
        cause,
      });
    }
  }

  /** Ends the Azurite, and with it everything that it held. An account that was given is left as it is. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#azurite?.catch(() => undefined))?.stop();
  }
}
