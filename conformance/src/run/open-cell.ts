import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { type Cell, type Hello, HelloSchema } from "@streamkit/protocol/conformance";
import type { ClientFactory } from "../client/client-under-test.ts";
import { ConnectClient } from "../client/connect-client.ts";
import { ProgramClient } from "../client/program-client.ts";

import { SdkClient } from "../client/sdk-client.ts";
import { EmbeddedServer } from "../server/embedded-server.ts";
import { ProgramServer } from "../server/program-server.ts";
import { RemoteServer } from "../server/remote-server.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";

/** The standalone server: the source in the repository, the build beside this package where it is installed. */
const STANDALONE = ["../../../server/src/bin.ts", "../../../server/dist/bin.js"]
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

/** Where the server and the client of a run come from; absent: those of this repository. */
export interface Subjects {
  readonly serverUrl?: string;
  readonly serverCommand?: string;
  readonly clientCommand?: string;
  /** With `serverUrl`: whether cases may make stores of their own. */
  readonly anyStore: boolean;
}

/** A cell that is ready to run cases. */
export interface OpenCell {
  readonly server: ServerUnderTest;
  readonly client: ClientFactory;
  readonly hello: Hello;
}

/** Starts what a cell needs. The caller closes the server. */
export async function openCell(cell: Cell, subjects: Subjects): Promise<OpenCell> {
  const server = await openServer(cell, subjects);
  const inProcess = server.transport === undefined ? undefined : () => server.transport!();
  const client: ClientFactory = async (observe) => {
    if (subjects.clientCommand !== undefined) return ProgramClient.start(subjects.clientCommand, observe);
    return cell.client === "sdk" ? new SdkClient(observe, inProcess) : new ConnectClient(observe, inProcess);
  };
  const probe = await client(() => {});
  const hello = create(HelloSchema, probe.hello);
  await probe.close();
  return { server, client, hello };
}

async function openServer(cell: Cell, subjects: Subjects): Promise<ServerUnderTest> {
  if (subjects.serverUrl !== undefined) return new RemoteServer(subjects.serverUrl, { anyStore: subjects.anyStore });
  if (subjects.serverCommand !== undefined) {
    return ProgramServer.start(subjects.serverCommand, { durable: cell.backend !== "memory" });
  }
  if (cell.transport === "in-process") return new EmbeddedServer({ backend: cell.backend });
  const node = `${process.execPath} --conditions=@streamkit/source`;
  const command = `${node} ${STANDALONE} --port {port} --storage ${cell.backend} --path {data}`;
  return ProgramServer.start(command, { durable: cell.backend === "level" });
}
