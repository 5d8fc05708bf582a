import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Cell, type Hello, HelloSchema } from "@streamkit/protocol/conformance";
import type { ClientFactory, ClientUnderTest, Observer } from "../client/client-under-test.ts";
import { ConnectClient } from "../client/connect-client.ts";
import { PAGE_CLIENTS, startPages } from "../client/pages.ts";
import { ProgramClient } from "../client/program-client.ts";
import { SdkClient } from "../client/sdk-client.ts";
import { sdkTransports } from "../client/sdk-transports.ts";
import { nodeTransports } from "../client/transports.ts";
import type { AzureAccount } from "../server/azure-account.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";
import { openServer, type ServerSubjects } from "./open-server.ts";
import { Started } from "./started.ts";

type InProcess = Parameters<typeof nodeTransports>[0];

/** The clients under test in this process. */
const CLIENTS: Readonly<Record<string, (observe: Observer, inProcess: InProcess) => ClientUnderTest>> = {
  raw: (observe, inProcess) => new ConnectClient(observe, nodeTransports(inProcess)),
  sdk: (observe, inProcess) => new SdkClient(observe, sdkTransports(inProcess)),
  "sdk-polling": (observe, inProcess) => new SdkClient(observe, sdkTransports(inProcess), { longPolling: "always" }),
};

/** The server and the client of a run. Default: those of this repository. */
export interface Subjects extends ServerSubjects {
  readonly clientCommand?: string;
  /** Secret of the server, for cells with the wrapper "auth". Default: a new one for a server that the run starts. */
  readonly authSecret?: string;
}

/** A cell that is ready to run cases. Disposing it ends the server. */
export interface OpenCell extends AsyncDisposable {
  readonly instances: readonly ServerUnderTest[];
  readonly client: ClientFactory;
  readonly hello: Hello;
  /** Secret of the server, which signs tokens. Absent if the server needs none, or has keys of its own. */
  readonly secret?: string;
}

/** Starts the server and the client of a cell. */
export async function openCell(cell: Cell, subjects: Subjects, azure: AzureAccount): Promise<OpenCell> {
  await using started = new Started();
  const secret = secretOf(cell, subjects);
  const instances = await openServer(cell, { ...subjects, ...secret }, azure, started);
  const client = await clientOf(cell, subjects, instances, started);
  const probe = await client(() => {});
  const hello = create(HelloSchema, probe.hello);
  await probe.close();
  const running = started.move();
  return { instances, client, hello, ...secret, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

/** Returns the secret of a cell with authentication. Servers that the run starts get a new one unless one is given. */
function secretOf({ wrapper }: Cell, { authSecret, serverUrls }: Subjects): { secret?: string } {
  if (wrapper !== "auth") return {};
  if (authSecret === undefined && serverUrls !== undefined) {
    throw new Error("the wrapper auth needs the secret of the server; set CONFORMANCE_AUTH_SECRET");
  }
  return { secret: authSecret ?? randomBytes(32).toString("hex") };
}

/** Returns the factory of the clients of a cell. `started` receives the function that ends the browser of a page. */
async function clientOf(
  cell: Cell,
  { clientCommand }: Subjects,
  instances: readonly ServerUnderTest[],
  started: Started,
): Promise<ClientFactory> {
  if (clientCommand !== undefined) return (observe) => ProgramClient.start(clientCommand, observe);
  const name = cell.client === "" ? "raw" : cell.client;
  const inPage = PAGE_CLIENTS[name];
  if (inPage !== undefined) {
    if (cell.transport === "in-process") throw new Error(`${name} needs a transport over a network`);
    const pages = await startPages();
    started.defer(async () => await pages[Symbol.asyncDispose]());
    return pages.client(inPage);
  }
  const make = CLIENTS[name];
  if (make === undefined) {
    throw new Error(
      `there is no client ${name}; expected one of ${[...Object.keys(CLIENTS), ...Object.keys(PAGE_CLIENTS)].join(", ")}`,
    );
  }
  const inProcess = instances.some(({ transport }) => transport !== undefined)
    ? (url: string) => instances.find((instance) => instance.url === url)!.transport!()
    : undefined;
  return async (observe) => make(observe, inProcess);
}
