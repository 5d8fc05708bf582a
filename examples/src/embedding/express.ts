/** Streamkit inside an Express application. `PORT` chooses the port; data goes to ./data. */
// #region express
import { createStreamkit, levelStorage } from "@streamkit/server";
import express from "express";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const app = express();
app.use(streamkit.handler()); // Before body parsers: Streamkit reads its requests itself.
app.use(express.json());
app.get("/hello", (_request, response) => void response.send("hello"));

const server = app.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () =>
  console.log("listening on", server.address()),
);
server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  server.closeAllConnections();
});
// #endregion express
