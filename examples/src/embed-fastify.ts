/** Streamkit inside a Fastify application. `PORT` chooses the port; data goes to ./data. */
// #region embed-fastify
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createStreamkit, levelStorage } from "@streamkit/server";
import { fastify } from "fastify";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });
const app = fastify({ http2: true }); // HTTP/2 for gRPC and Produce. Without it: Connect and gRPC-Web over HTTP/1.1.

await app.register(fastifyConnectPlugin, {
  routes: streamkit.routes,
  acceptCompression: [], // As the standalone server: compression costs more than it saves on fast networks.
  readMaxBytes: 8 * 1024 * 1024,
});
app.get("/healthy", () => ({ healthy: true }));
app.addHook("preClose", () => streamkit.close()); // First, because an open stream would keep Fastify waiting.

const url = await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 3000) });
console.log("listening on", url);
process.once("SIGTERM", () => app.close());
// #endregion embed-fastify
