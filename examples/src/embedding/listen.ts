/** One port for the application's pages and Streamkit, for every client: HTTP/1.1 and HTTP/2, browsers and gRPC. */
// #region listen
import { createStreamkitClient } from "@streamkit/client";
import { createStreamkit, levelStorage, type RequestListener } from "@streamkit/server";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

// The application's own pages. Streamkit answers the paths of its services, /streamkit.v1.StreamService/... and so on.
const app: RequestListener = (request, response) => {
  response.statusCode = request.url === "/hello" ? 200 : 404;
  response.end();
};

const { url } = await streamkit.listen({ port: Number(process.env.PORT ?? 8080), fallback: app });

// The application itself needs no network.
const client = createStreamkitClient({ transport: streamkit.transport() });
const starts = client.store("0b81bd9c-76f0-4e0c-9d0a-2b3f5c2f7d11").space("operations").segment("starts");
const { lastSequence } = await starts.publish(new TextEncoder().encode(url));
console.log(`start number ${lastSequence}, listening on ${url}`);

process.once("SIGTERM", () => streamkit.close());
// #endregion listen
