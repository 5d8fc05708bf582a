/** The Durable Streams reference server in its own process: `durable-streams.server.ts FOLDER`. Prints its address. */
import { DurableStreamTestServer } from "@durable-streams/server";

// Without compression, as between Streamkit's processes: the connection is a loopback.
const server = new DurableStreamTestServer({
  port: 0,
  host: "127.0.0.1",
  dataDir: process.argv[2],
  compression: false,
});
const address = await server.start();
process.on("SIGTERM", () => process.exit());
console.log(`listening on ${address}`);
