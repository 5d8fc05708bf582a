import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Cell } from "@streamkit/protocol/conformance";
import { memoryStorage, type Storage, tokenAuthentication } from "@streamkit/server";
import { PAGE_CLIENTS, PAGE_ORIGIN } from "../client/pages.ts";
import type { AzureAccount } from "../server/azure-account.ts";
import { EmbeddedServer } from "../server/embedded-server.ts";
import { type ProgramOptions, ProgramServer } from "../server/program-server.ts";
import { RemoteServer } from "../server/remote-server.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";
import type { Started } from "./started.ts";

/** Command of the standalone server: the source in the repository, the build in an installed package. */
function standalone(): string {
  const server = dirname(createRequire(import.meta.url).resolve("@streamkit/server/package.json"));
  const source = join(server, "src", "bin.ts");
  const program = existsSync(source) ? ["--conditions=@streamkit/source", source] : [join(server, "dist", "bin.js")];
  return [process.execPath, ...program].join(" ");
}

/**
 * Interval in milliseconds at which instances look for commits of other instances in followed spaces. In these cells
 * polling is the only way to learn of them. The default of a second would dominate the duration of a cell.
 */
const POLL_MILLIS = 100;

/** The clocks of instances in this process differ, because order must not depend on them (ORD-005). */
const CLOCK_OFFSET_MILLIS = -300_000;

/** Lets the page call the server, by any host name. */
const FOR_PAGES = `--cors-origin ${PAGE_ORIGIN} --allowed-host '*'`;

/** The server of a run. Default: the server of this repository. */
export interface ServerSubjects {
  /** URLs of running servers. Several are instances on the same data. */
  readonly serverUrls?: readonly string[];
  readonly serverCommand?: string;
  /** With `serverUrls`: true if cases may create their own stores. */
  readonly anyStore: boolean;
  /** The account of cells with Azure storage. Default: an Azurite that the run starts and ends. */
  readonly azureConnectionString?: string;
  /** Secret of tokens. The server that the run starts then needs credentials. */
  readonly secret?: string;
}

/** Starts the instances of a cell. `started` receives the functions that end them. */
export async function openServer(
  cell: Cell,
  subjects: ServerSubjects,
  azure: AzureAccount,
  started: Started,
): Promise<readonly ServerUnderTest[]> {
  const count = cell.wrapper === "two-instances" ? 2 : 1;
  const open = await opener(cell, count, subjects, azure, started);
  const opening = Array.from({ length: count }, async (_, index) =>
    started.adopt(await open(index), (server) => server.close()),
  );
  // Wait for all instances: if one fails, `started` must still know the others.
  await Promise.allSettled(opening);
  return Promise.all(opening);
}

/** Returns a function that starts one instance of a cell. The instances of a cell share their data. */
async function opener(
  cell: Cell,
  count: number,
  { serverUrls, serverCommand, anyStore, secret }: ServerSubjects,
  azure: AzureAccount,
  started: Started,
): Promise<(index: number) => Promise<ServerUnderTest>> {
  const { backend, transport, wrapper } = cell;
  if (serverUrls !== undefined) {
    if (serverUrls.length !== count) throw new Error(`${wrapper} needs ${count} URLs, found ${serverUrls.length}`);
    return async (index) => new RemoteServer(serverUrls[index], { anyStore });
  }
  const connectionString = backend === "azure" ? await azure.connectionString() : undefined;
  if (serverCommand === undefined && transport === "in-process") {
    const storage = await sharedStorage(backend, count, connectionString);
    return async (index) =>
      new EmbeddedServer({
        backend,
        ...(storage === undefined ? {} : { storage }),
        ...(count === 1 ? {} : { url: `instance-${index + 1}`, pollMillis: POLL_MILLIS }),
        ...(index === 0 ? {} : { clockOffsetMillis: CLOCK_OFFSET_MILLIS }),
        ...(secret === undefined ? {} : { authenticate: tokenAuthentication({ secret, onEvent: () => {} }) }),
      });
  }
  const options: ProgramOptions = {
    durable: backend !== "memory",
    environment: {
      ...(connectionString === undefined ? {} : { AZURE_STORAGE_CONNECTION_STRING: connectionString }),
      ...(secret === undefined ? {} : { STREAMKIT_AUTH_SECRET: secret }),
    },
  };
  if (serverCommand === undefined) {
    if (count > 1 && connectionString === undefined)
      throw new Error(`several processes cannot share a ${backend} storage`);
    // The runner may be busy for longer than the default interval; the server must not take it for a vanished client.
    const flags = `--port {port} --storage ${backend} --path {data} --keep-alive 600`;
    const command = [standalone(), flags, ...(cell.client in PAGE_CLIENTS ? [FOR_PAGES] : [])].join(" ");
    if (count === 1) return () => ProgramServer.start(command, options);
    return () => ProgramServer.start(`${command} --poll ${POLL_MILLIS}`, options);
  }
  if (count === 1) return () => ProgramServer.start(serverCommand, options);
  const folder = mkdtempSync(join(tmpdir(), "streamkit-conformance-"));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));
  return () => ProgramServer.start(serverCommand, { ...options, folder });
}

/** Returns storage that instances in this process share; undefined if each server has its own. */
async function sharedStorage(
  backend: string,
  count: number,
  connectionString: string | undefined,
): Promise<(() => Storage) | undefined> {
  if (connectionString !== undefined) {
    const { azureStorage } = await import("@streamkit/server/azure");
    return () => azureStorage({ connectionString });
  }
  if (count === 1) return undefined;
  if (backend !== "memory") throw new Error(`several instances cannot share a ${backend} storage`);
  const memory = memoryStorage({ shared: true });
  return () => memory;
}
