/**
 * Makes a bus, closes it in the requested state, and ends by itself if nothing keeps the process alive. Prints the
 * milliseconds from the call of `close` to the exit.
 *
 *     node close-process.ts <url> <"at once" | "up" | "down">
 */
import { subscribe } from "node:diagnostics_channel";
import { natsBus } from "../nats/index.ts";
import { redisBus } from "../redis/index.ts";

const [url, when] = process.argv.slice(2) as [string, "at once" | "up" | "down"];

/** Resolves when this process opens its next socket. */
function nextDial(): Promise<void> {
  return new Promise((resolve) => subscribe("net.client.socket", () => resolve()));
}

const begun = nextDial();
const reached = Promise.withResolvers<void>();
const bus = (url.startsWith("redis") ? redisBus : natsBus)(url, {
  heartbeatMillis: when === "down" ? 300 : 60_000,
  onStateChange: (connected) => {
    if (connected === (when === "up")) reached.resolve();
  },
});
bus.subscribe("topic", () => {});
bus.publish("topic", new Uint8Array(10));
await begun;
if (when !== "at once") await reached.promise;
// In the middle of the next attempt to connect.
if (when === "down") await nextDial();
bus.publish("topic", new Uint8Array(10));
const start = performance.now();
await bus.close();
process.on("exit", () => process.stdout.write(`${Math.round(performance.now() - start)}\n`));
