/**
 * Streamkit inside a Hono application that speaks HTTP/2, without TLS. `PORT` chooses the port; data goes to ./data.
 */
import { createServer } from "node:http2";
import { serve } from "@hono/node-server";
import { createStreamkit, levelStorage } from "@streamkit/server";
import { Hono } from "hono";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

const app = new Hono();
app.get("/hello", (context) => context.text("hello"));
app.all("/:rpc{(streamkit|grpc)\\..+}", (context) => streamkit.fetch(context.req.raw));

const port = Number(process.env.PORT ?? 8080);
const server = serve({ fetch: app.fetch, createServer, hostname: "127.0.0.1", port });
server.once("listening", () => console.log("listening on", server.address()));

process.once("SIGTERM", async () => {
  server.close();
  await streamkit.close();
  process.exit(); // Clients keep their HTTP/2 connections open.
});
