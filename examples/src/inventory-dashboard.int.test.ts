import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { expect, test } from "vitest";
import { flakyProxy } from "../../conformance/src/lab/flaky-proxy.ts";
import { startExample, testFolder } from "./process/example.ts";
import { ServerProcess } from "./process/server-process.ts";

test("a dashboard shows each change of bins and pickers, and continues when the server is back", {
  timeout: 90_000,
}, async () => {
  const path = await testFolder();
  let server = await ServerProcess.start({ path });
  // The address stays the same, so that no port has to be free twice.
  await using proxy = await flakyProxy(server.port);
  const { url } = proxy;
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: url }) });
  const store = client.store(crypto.randomUUID()).withCodec(json<{ pieces: number }>());
  const bins = store.space("bins");
  try {
    await bins.segment("bin-a").publish({ pieces: 40 });
    await bins.segment("bin-b").publish({ pieces: 7 });
    await bins.segment("bin-c").publish({ pieces: 1 });
    const dashboard = await startExample("inventory-dashboard", url, store.id);
    await dashboard.outputMatching(/^live$/m);
    expect(dashboard.output()).toBe("bin-a: 40\nbin-b: 7\nbin-c: 1\nlive\n");

    /** Waits for the next lines of the dashboard, which must be these. */
    let shown = dashboard.output();
    const next = async (...lines: string[]) => {
      for (const line of lines) shown += `${line}\n`;
      await expect.poll(() => dashboard.output(), { timeout: 20_000 }).toBe(shown);
    };
    await bins.segment("bin-b").publish({ pieces: 6 });
    await next("bin-b: 6");
    await bins.segment("bin-c").delete();
    await next("bin-c: gone");
    const ada = store.presence("pickers").join({ id: "ada", metadata: { zone: "north" } });
    await next("picking: ada (north)");
    await ada.close();
    await next("picking: nobody");

    proxy.target = undefined;
    await server.stop("SIGKILL");
    await next("retrying");
    // At first, the proxy hides the new server from the dashboard.
    server = await ServerProcess.start({ path });
    const elsewhere = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.url }) });
    await elsewhere.store(store.id).space("bins").segment("bin-b").delete();
    await server.stop("SIGTERM");
    server = await ServerProcess.start({ path });
    proxy.target = server.port;
    // Another snapshot, of which the dashboard shows only the difference.
    await next("live", "bin-b: gone");
    await bins.segment("bin-a").publish({ pieces: 39 });
    await next("bin-a: 39");
  } finally {
    await server.stop("SIGKILL");
  }
});
