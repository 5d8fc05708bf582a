/** Streamkit on a server of `node:http2` without TLS: for gRPC and other programs; no browser speaks that. */
// #region http2
import { createServer } from "node:http2";
import { createStreamkit, levelStorage } from "@streamkit/server";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const server = createServer(streamkit.handler());
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  process.exit(); // Clients keep their HTTP/2 connections open.
});
// #endregion http2
