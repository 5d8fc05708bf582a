/** Streamkit on a server of `node:https`. `PORT` chooses the port, `TLS_CERT` and `TLS_KEY` name PEM files. */
// #region https
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createStreamkit, levelStorage } from "@streamkit/server";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const cert = readFileSync(process.env.TLS_CERT ?? "cert.pem");
const key = readFileSync(process.env.TLS_KEY ?? "key.pem");
const server = createServer({ cert, key }, streamkit.handler());
server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});
server.listen(Number(process.env.PORT ?? 8443), "127.0.0.1", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  server.closeAllConnections();
});
// #endregion https
