import { create } from "@bufbuild/protobuf";
import { type Cell, type Hello, HelloSchema } from "@streamkit/protocol/conformance";
import type { ClientFactory, ClientUnderTest } from "../client/client-under-test.ts";
import { ConnectClient } from "../client/connect-client.ts";
import { ProgramClient } from "../client/program-client.ts";
import { SdkClient } from "../client/sdk-client.ts";
import type { AzureAccount } from "../server/azure-account.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";
import { openServer, type ServerSubjects } from "./open-server.ts";
import { Started } from "./started.ts";

/** The clients under test other than the generated one. */
const CLIENTS: Readonly<Record<string, (...args: ConstructorParameters<typeof ConnectClient>) => ClientUnderTest>> = {
  sdk: (observe, inProcess) => new SdkClient(observe, inProcess),
  "sdk-polling": (observe, inProcess) => new SdkClient(observe, inProcess, { longPolling: "always" }),
};

/** The server and the client of a run. Default: those of this repository. */
export interface Subjects extends ServerSubjects {
  readonly clientCommand?: string;
}

/** A cell that is ready to run cases. Disposing it ends the server. */
export interface OpenCell extends AsyncDisposable {
  readonly instances: readonly ServerUnderTest[];
  readonly client: ClientFactory;
  readonly hello: Hello;
}

/** Starts the server and the client of a cell. */
export async function openCell(cell: Cell, subjects: Subjects, azure: AzureAccount): Promise<OpenCell> {
  await using started = new Started();
  const instances = await openServer(cell, subjects, azure, started);
  const inProcess = instances.some(({ transport }) => transport !== undefined)
    ? (url: string) => instances.find((instance) => instance.url === url)!.transport!()
    : undefined;
  const client: ClientFactory = async (observe) => {
    if (subjects.clientCommand !== undefined) return ProgramClient.start(subjects.clientCommand, observe);
    return CLIENTS[cell.client]?.(observe, inProcess) ?? new ConnectClient(observe, inProcess);
  };
  const probe = await client(() => {});
  const hello = create(HelloSchema, probe.hello);
  await probe.close();
  const running = started.move();
  return { instances, client, hello, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}
