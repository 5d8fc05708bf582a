/** Streamkit inside a Hono application. `PORT` chooses the port; data goes to ./data. */
// #region hono
import { serve } from "@hono/node-server";
import { createStreamkit, levelStorage } from "@streamkit/server";
import { Hono } from "hono";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const app = new Hono();
app.get("/hello", (context) => context.text("hello"));
app.all("/:rpc{(streamkit|grpc)\\..+}", (context) => streamkit.fetch(context.req.raw));

const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 8080) });
server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});
server.once("listening", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  if ("closeAllConnections" in server) server.closeAllConnections();
});
// #endregion hono
