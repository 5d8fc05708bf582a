import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createStreamkit, levelStorage, memoryStorage, type Storage, type Streamkit } from "@streamkit/server";
import { damageFiles } from "./damage.ts";
import type { ServerControl, ServerUnderTest } from "./server-under-test.ts";

export interface EmbeddedOptions {
  /** "memory" or "level". */
  readonly backend: string;
  /** Puts something between engine and storage, for broken servers. Called once per start, with the start's number. */
  readonly wrapStorage?: (storage: Storage, generation: number) => Storage;
  /** Puts something between callers and the server, for broken servers. */
  readonly wrapTransport?: (transport: Transport) => Transport;
}

/** The Streamkit server in this process, without a port. A restart closes it and creates it anew on the same data. */
export class EmbeddedServer implements ServerUnderTest {
  readonly name: string;
  readonly url = "";
  readonly capabilities: readonly string[];
  generation = 0;
  readonly #options: EmbeddedOptions;
  readonly #folder: string;
  readonly #memory: Storage | undefined;
  #streamkit: Streamkit;
  #transport: Transport | undefined;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.name = `embedded ${options.backend}`;
    this.#memory = options.backend === "memory" ? memoryStorage() : undefined;
    this.#folder = this.#memory === undefined ? mkdtempSync(join(tmpdir(), "streamkit-conformance-")) : "";
    this.capabilities = ["durable", "restart", "any_store", ...(this.#memory === undefined ? ["damage"] : [])];
    this.#streamkit = this.#start();
  }

  transport(): Transport {
    this.#transport ??= (this.#options.wrapTransport ?? ((same) => same))(this.#streamkit.transport());
    return this.#transport;
  }

  async act(control: ServerControl): Promise<void> {
    if (control === "kill") throw new Error("a server in this process cannot be killed");
    await this.#streamkit.close();
    if (control === "damage") damageFiles(this.#folder);
    this.generation += 1;
    this.#transport = undefined;
    this.#streamkit = this.#start();
  }

  async close(): Promise<void> {
    await this.#streamkit.close();
    if (this.#folder !== "") rmSync(this.#folder, { recursive: true, force: true });
  }

  #start(): Streamkit {
    const storage = this.#memory ?? levelStorage({ path: this.#folder });
    const wrap = this.#options.wrapStorage ?? ((same: Storage) => same);
    return createStreamkit({ storage: wrap(storage, this.generation), onError: () => {} });
  }
}
