/**
 * Streamkit on a server of `node:http2` with TLS, which speaks HTTP/1.1 too. `TLS_CERT` and `TLS_KEY` name PEM files.
 */
// #region http2-tls
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createStreamkit, levelStorage } from "@streamkit/server";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const cert = readFileSync(process.env.TLS_CERT ?? "cert.pem");
const key = readFileSync(process.env.TLS_KEY ?? "key.pem");
const server = createSecureServer({ cert, key, allowHTTP1: true }, streamkit.handler());
server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});
server.listen(Number(process.env.PORT ?? 8443), "127.0.0.1", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  process.exit(); // Clients keep their HTTP/2 connections open.
});
// #endregion http2-tls
