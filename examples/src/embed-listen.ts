/** Streamkit inside an application, on a port of its own that speaks HTTP/1.1 and HTTP/2, and called in-process. */
// #region embed-listen
import { createStreamkitClient } from "@streamkit/client";
import { createStreamkit, levelStorage } from "@streamkit/server";

await using streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });
const { url } = await streamkit.listen({ port: Number(process.env.PORT ?? 8080) });

// The application itself needs no network.
const client = createStreamkitClient({ transport: streamkit.transport() });
const starts = client.store("0b81bd9c-76f0-4e0c-9d0a-2b3f5c2f7d11").space("operations").segment("starts");
const { lastSequence } = await starts.publish(new TextEncoder().encode(url));
console.log(`start number ${lastSequence}, listening on ${url}`);

await new Promise((resolve) => process.once("SIGTERM", resolve));
// #endregion embed-listen
