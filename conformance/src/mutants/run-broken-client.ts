import type { Transport } from "@connectrpc/connect";
import type { Case } from "@streamkit/protocol/conformance";
import type { Observer } from "../suite/client/client-under-test.ts";
import { EmbeddedServer } from "../suite/server/embedded-server.ts";
import type { BrokenClient } from "./broken-clients.ts";
import { type Kill, runBroken } from "./kill-matrix.ts";

/** Runs cases with a broken client against the real server. */
export async function runBrokenClient(client: BrokenClient, cases: readonly Case[], enough?: number): Promise<Kill> {
  const server = new EmbeddedServer({ backend: "memory" });
  // Looks the server up at each call, because a restart replaces it.
  const transport: Transport = {
    unary: (...call) => server.transport().unary(...call),
    stream: (...call) => server.transport().stream(...call),
  };
  try {
    const make = async (observe: Observer) => client.make(observe, () => ({ transport, close: () => {} }));
    // Resumption first, because only clients that resume can break it.
    const sorted = [...cases].sort((a, b) => Number(b.id.startsWith("RESUME")) - Number(a.id.startsWith("RESUME")));
    return await runBroken(client.name, [server], make, sorted, enough);
  } finally {
    await server.close();
  }
}
