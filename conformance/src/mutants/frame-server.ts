import { create } from "@bufbuild/protobuf";
import { type Case, CellSchema, type Result, Verdict } from "@streamkit/protocol/conformance";
import { createStreamkit, memoryStorage, type Streamkit } from "@streamkit/server";
import { ConnectClient } from "../suite/client/connect-client.ts";
import { nodeTransports } from "../suite/client/transports.ts";
import { runCell } from "../suite/run/cell.ts";
import type { ServerUnderTest } from "../suite/server/server-under-test.ts";
import type { FrameDeviation } from "./frame-deviations.ts";
import { startFrameProxy } from "./frame-proxy.ts";
import type { Kill } from "./kill-matrix.ts";

/** Time limit of a step on a broken server, in milliseconds. */
const STEP_MILLIS = 4_000;

/** Runs cases against the real server behind a proxy with one fault, over WebSocket. */
export async function runFrameDeviation(
  { name, bends = () => ({}), upgrade }: FrameDeviation,
  cases: readonly Case[],
  enough = Number.POSITIVE_INFINITY,
): Promise<Kill> {
  const storage = memoryStorage();
  const start = async (): Promise<{ streamkit: Streamkit; url: string }> => {
    const streamkit = createStreamkit({ storage, onEvent: () => {} });
    return { streamkit, url: (await streamkit.listen({ port: 0 })).url };
  };
  let running = await start();
  const proxy = await startFrameProxy({
    target: () => running.url,
    bends,
    ...(upgrade === undefined ? {} : { upgrade }),
  });
  const server: ServerUnderTest = {
    name,
    url: proxy.url,
    generation: 0,
    capabilities: ["socket", "any_store", "restart", "kill"],
    async act(control) {
      if (control === "kill") proxy.cut();
      await running.streamkit.close();
      running = await start();
    },
    async close() {
      await proxy.close();
      await running.streamkit.close();
    },
  };
  const stop = new AbortController();
  const failed: string[] = [];
  const passed: string[] = [];
  const client = async (observe: ConstructorParameters<typeof ConnectClient>[0]) =>
    new ConnectClient(observe, nodeTransports());
  const probe = await client(() => {});
  try {
    await runCell(cases, {
      cell: create(CellSchema, { backend: "memory", transport: "websocket", wrapper: "plain", client: name }),
      instances: [server],
      client,
      hello: probe.hello,
      stepMillis: STEP_MILLIS,
      patience: 1,
      signal: stop.signal,
      onResult({ verdict, caseId }: Result) {
        if (verdict === Verdict.FAIL) failed.push(caseId);
        if (verdict === Verdict.PASS) passed.push(caseId);
        if (failed.length >= enough) stop.abort();
      },
    });
  } finally {
    await probe.close();
    await server.close();
  }
  return { name, failed, passed };
}
