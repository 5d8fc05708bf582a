/**
 * Streamkit on a server of `node:http`, beside the application's own pages. `PORT` chooses the port; data goes to
 * ./data.
 */
// #region http
import { createServer } from "node:http";
import { createStreamkit, levelStorage, type RequestListener } from "@streamkit/server";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

// The application's own pages. Streamkit answers the paths of its services, /streamkit.v1.StreamService/... and so on.
const app: RequestListener = (request, response) => {
  response.statusCode = request.url === "/hello" ? 200 : 404;
  response.end();
};

const server = createServer(streamkit.handler({ fallback: app }));
server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close(); // Ends streams, lets appends finish, releases the storage.
  server.closeAllConnections();
});
// #endregion http
