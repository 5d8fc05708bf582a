import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import {
  type Authenticate,
  createStreamkit,
  levelStorage,
  memoryStorage,
  type Storage,
  type Streamkit,
} from "@streamkit/server";
import { damageFiles } from "./damage.ts";
import type { ServerControl, ServerUnderTest } from "./server-under-test.ts";

export interface EmbeddedOptions {
  /** "memory" or "level" for storage of the server's own; any other value needs `storage`. */
  readonly backend: string;
  /** Returns the storage for each start. Several servers may share it. */
  readonly storage?: () => Storage;
  /** Distinguishes this instance from others of the same cell; see `Connect.url`. */
  readonly url?: string;
  /** Interval at which the server polls followed spaces, in milliseconds. */
  readonly pollMillis?: number;
  /** Difference between the server's clock and that of this machine, in milliseconds. */
  readonly clockOffsetMillis?: number;
  /** Finds the caller of each call. Absent: the server trusts every call. */
  readonly authenticate?: Authenticate;
  /** Wraps the storage of a broken server. Called once per start, with the number of the start. */
  readonly wrapStorage?: (storage: Storage, generation: number) => Storage;
  /** Wraps the transport of a broken server. */
  readonly wrapTransport?: (transport: Transport) => Transport;
}

/** The Streamkit server in this process, without a port. A restart closes it and creates a new one on the same data. */
export class EmbeddedServer implements ServerUnderTest {
  readonly name: string;
  readonly url: string;
  readonly capabilities: readonly string[];
  generation = 0;
  readonly #options: EmbeddedOptions;
  /** Data folder of this server; empty if it has none. */
  readonly #folder: string;
  readonly #storage: () => Storage;
  #streamkit: Streamkit;
  #transport: Transport | undefined;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.name = `embedded ${options.backend}`;
    this.url = options.url ?? "";
    const ownFolder = options.storage === undefined && options.backend === "level";
    this.#folder = ownFolder ? mkdtempSync(join(tmpdir(), "streamkit-conformance-")) : "";
    const memory = memoryStorage();
    const own = ownFolder ? () => levelStorage({ path: this.#folder }) : () => memory;
    this.#storage = options.storage ?? own;
    this.capabilities = ["durable", "restart", "any_store", ...(ownFolder ? ["damage"] : [])];
    this.#streamkit = this.#start();
  }

  transport(): Transport {
    const { wrapTransport = (same: Transport) => same, authenticate } = this.#options;
    this.#transport ??= wrapTransport(this.#streamkit.transport({ authenticate: authenticate !== undefined }));
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
    const { pollMillis, clockOffsetMillis: offset, authenticate } = this.#options;
    const wrap = this.#options.wrapStorage ?? ((same: Storage) => same);
    return createStreamkit({
      storage: wrap(this.#storage(), this.generation),
      onEvent: () => {},
      ...(pollMillis === undefined ? {} : { pollMillis }),
      ...(authenticate === undefined ? {} : { authenticate }),
      ...(offset === undefined ? {} : { clock: () => (Date.now() + offset) * 1_000 }),
    });
  }
}
