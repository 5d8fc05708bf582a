#!/usr/bin/env -S node --initial-old-space-size=128
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { openBus } from "./bus/open.ts";
import { type Bus, createStreamkit, formatEvent, levelStorage, memoryStorage, type Storage, VERSION } from "./index.ts";

const USAGE = `streamkit-server ${VERSION}: ordered event streams over HTTP (Connect, gRPC, gRPC-Web)

  --port N             port to listen on, 0 for a free one           (8080)
  --host ADDRESS       address to listen on                          (127.0.0.1)
  --storage KIND       level: durable, in files; memory: for trials; azure: Table Storage  (level)
  --path FOLDER        where level keeps its files                   (./data)
  --azure-connection-string S  account and key or SAS, or UseDevelopmentStorage=true
                               (AZURE_STORAGE_CONNECTION_STRING)
  --azure-endpoint URL         account to reach with the identity of the environment; needs @azure/identity
                               (AZURE_TABLES_ENDPOINT)
  --bus URL            how servers on one storage tell each other what is new: redis://, rediss://, nats:// or tls://
                       [user:password@]host[:port]; needs ioredis or @nats-io/transport-node  (STREAMKIT_BUS)
  --tls-cert FILE      PEM certificate; with --tls-key, serves https
  --tls-key FILE       PEM key
  --cors-origin URL    origin that browsers may call from, or "*"; may be repeated
  --dedupe-window S    seconds that a transaction id is remembered   (600)
  --keep-alive S       seconds between checks that HTTP/2 clients live (15)
  --log FORMAT         how events are written to stderr: text or json  (text)
  --poll MS            milliseconds between looks at what other servers on the same storage wrote, for followers  (1000)
  --version, --help
`;

/** Ends with a message and exit code 2: the command line is wrong. */
function refuse(message: string): never {
  console.error(`streamkit-server: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "8080" },
        host: { type: "string", default: "127.0.0.1" },
        storage: { type: "string", default: "level" },
        path: { type: "string", default: "./data" },
        "azure-connection-string": { type: "string" },
        "azure-endpoint": { type: "string" },
        bus: { type: "string" },
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
        "cors-origin": { type: "string", multiple: true },
        "dedupe-window": { type: "string", default: "600" },
        "keep-alive": { type: "string", default: "15" },
        log: { type: "string", default: "text" },
        poll: { type: "string", default: "1000" },
        version: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function toNumber(value: string, name: string, min: number, max: number): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number) || number < min || number > max) {
    refuse(`--${name} is "${value}"; expected a number from ${min} to ${max}`);
  }
  return number;
}

const args = parse();
if (args.help || args.version) {
  console.log(args.help ? USAGE : VERSION);
  process.exit(0);
}
const port = toNumber(args.port, "port", 0, 65_535);
const dedupeWindow = toNumber(args["dedupe-window"], "dedupe-window", 1, 86_400 * 30);
const keepAlive = toNumber(args["keep-alive"], "keep-alive", 0.1, 3_600);
const pollMillis = toNumber(args.poll, "poll", 10, 3_600_000);
const logFormat = args.log;
if (logFormat !== "text" && logFormat !== "json") refuse(`--log is "${logFormat}"; expected text or json`);
const { "tls-cert": certFile, "tls-key": keyFile, "cors-origin": origins } = args;
if ((certFile === undefined) !== (keyFile === undefined)) refuse("--tls-cert and --tls-key go together");

/** Storage as the command line and the environment ask for it. */
async function openStorage(): Promise<Storage> {
  switch (args.storage) {
    case "level":
      return levelStorage({ path: resolve(args.path) });
    case "memory":
      return memoryStorage();
    case "azure": {
      // Loaded when asked for: most servers need nothing of it, and start faster without.
      const { azureStorage, defaultAzureCredential } = await import("./storage/azure/index.ts");
      const connectionString = args["azure-connection-string"] ?? process.env.AZURE_STORAGE_CONNECTION_STRING;
      if (connectionString !== undefined) return azureStorage({ connectionString });
      const endpoint = args["azure-endpoint"] ?? process.env.AZURE_TABLES_ENDPOINT;
      if (endpoint !== undefined) return azureStorage({ endpoint, credential: await defaultAzureCredential() });
      return refuse("--storage azure needs --azure-connection-string or --azure-endpoint");
    }
    default:
      return refuse(`--storage is "${args.storage}"; expected level, memory or azure`);
  }
}

/** The bus as the command line or the environment ask for it; it connects in its own time. */
async function openBusFor({ kind, shared }: Storage): Promise<Bus | undefined> {
  const url = args.bus ?? process.env.STREAMKIT_BUS;
  if (url === undefined || url === "") return undefined;
  const bus: Bus = await openBus(url, {
    onStateChange: (connected, error) => {
      const news = connected ? `connected to ${bus.location}` : `${error?.message}; polling until it is back`;
      console.error(`streamkit-server: bus: ${news}`);
    },
  });
  if (shared) return bus;
  console.error(`streamkit-server: --bus has no effect: nobody else writes to ${kind} storage`);
  await bus.close();
  return undefined;
}

const storage = await openStorage().catch((error) => refuse((error as Error).message));
const bus = await openBusFor(storage).catch((error) => refuse(`--bus: ${(error as Error).message}`));
const streamkit = createStreamkit({
  storage,
  ...(bus && { bus }),
  dedupeWindowMillis: dedupeWindow * 1_000,
  pollMillis,
  cors: origins?.includes("*") ? "*" : origins,
  onEvent: (event) => console.error(formatEvent(event, logFormat)),
});

// A reader of the output that has gone away is no reason to stop.
for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined);

// Before the address is printed: whoever waits for that line may stop the server at once.
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // A second signal means now.
    if (stopping) process.exit(1);
    stopping = true;
    streamkit.close().then(
      () => process.exit(0),
      (error) => {
        console.error("streamkit-server: while closing:", error);
        process.exit(1);
      },
    );
  });
}

async function tlsFiles() {
  if (certFile === undefined || keyFile === undefined) return undefined;
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  return { cert, key };
}

try {
  const tls = await tlsFiles();
  const listener = await streamkit.listen({
    port,
    host: args.host,
    keepAliveMillis: keepAlive * 1_000,
    ...(tls && { tls }),
  });
  const places = `data: ${storage.location}${bus === undefined ? "" : `; bus: ${bus.location}`}`;
  console.log(`streamkit-server ${VERSION} listens on ${listener.url}; ${places}`);
} catch (error) {
  console.error(`streamkit-server: cannot start: ${(error as Error).message}`);
  process.exit(1);
}
