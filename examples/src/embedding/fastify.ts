/** Streamkit inside a Fastify application. `PORT` chooses the port; data goes to ./data. */
// #region fastify
import { createStreamkit, levelStorage } from "@streamkit/server";
import { fastify } from "fastify";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });
const serve = streamkit.handler();

const app = fastify();
await app.register(async (scope) => {
  // Streamkit reads and writes by itself; hooks such as onRequest run before it.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _body, done) => done(null));
  for (const path of ["/streamkit.v1.*", "/grpc.*"]) {
    scope.all(path, (request, reply) => {
      reply.hijack();
      serve(request.raw, reply.raw);
    });
  }
});
app.get("/hello", () => "hello");
app.server.on("upgrade", (request, socket, head) => {
  if (!streamkit.handleUpgrade(request, socket, head)) socket.destroy(); // Other WebSockets than Streamkit's.
});
app.addHook("preClose", () => streamkit.close()); // First, because an open stream would keep Fastify waiting.

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 8080) });
console.log("listening on", app.server.address());
process.once("SIGTERM", () => app.close());
// #endregion fastify
