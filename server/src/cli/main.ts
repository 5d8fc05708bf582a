import { openBus } from "../bus/open.ts";
import { StorageUnusableError } from "../errors.ts";
import { describeCause } from "../format-event.ts";
import {
  type Bus,
  createStreamkit,
  formatEvent,
  type Storage,
  type Streamkit,
  type StreamkitEvent,
  VERSION,
} from "../index.ts";
import { openTokenAuthentication } from "./auth-options.ts";
import { isCopyCommand, runCopyCommand } from "./copy/commands.ts";
import { checkExposure } from "./exposure.ts";
import { looseFile } from "./loose-file.ts";
import { openStorage } from "./open-storage.ts";
import { OPTIONS, type Options } from "./options.ts";
import { readOptions, UsageError } from "./read-options.ts";
import { endOnSignals } from "./signals.ts";
import { readTls, type TlsPaths, TlsWatch } from "./tls-files.ts";
import { tokenCommand } from "./token-command.ts";
import { endOnUncaught } from "./uncaught.ts";
import { usage } from "./usage.ts";

/**
 * Runs the standalone server, or the command of the first argument. The server exits with code 2 for invalid options,
 * and with code 1 if the start fails.
 */
export async function main(): Promise<void> {
  const [command = "", ...flags] = process.argv.slice(2);
  if (isCopyCommand(command)) {
    process.exitCode = await runCopyCommand(command, flags);
    return;
  }
  const program = command === "token" ? "streamkit-server token" : "streamkit-server";
  try {
    if (command === "token") {
      console.log(await tokenCommand(flags, process.env));
      return;
    }
    const options = checkTogether(readOptions(OPTIONS, { flags: process.argv.slice(2), environment: process.env }));
    if (options.help || options.version) {
      console.log(options.help ? usage() : VERSION);
      return;
    }
    await serve(options);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${program}: ${error.message}\n\n${program} --help lists the options`);
      process.exit(2);
    }
    console.error(`${program}: cannot start: ${(error as Error).message}`);
    process.exit(1);
  }
}

/** @throws UsageError for options that require or exclude each other */
function checkTogether(options: Options): Options {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    throw new UsageError("--tls-cert and --tls-key need each other: pass both, or neither");
  }
  if (options.tlsClientCa !== undefined && options.tlsCert === undefined) {
    throw new UsageError("--tls-client-ca needs --tls-cert and --tls-key: only a server with TLS sees certificates");
  }
  if (options.tlsClientCert !== undefined && options.tlsClientCa === undefined) {
    throw new UsageError("--tls-client-cert needs --tls-client-ca, with the authorities that sign client certificates");
  }
  return options;
}

async function serve(options: Options): Promise<void> {
  const exposure = checkExposure(options, process.env);
  const paths = tlsPaths(options);
  const loaded = paths && (await readTls(paths));
  // Files of this process are for its user alone: data folders get mode 0700, files 0600.
  process.umask(0o077);
  const onEvent = (event: StreamkitEvent) => console.error(formatEvent(event, options.log));
  const authenticate = openTokenAuthentication(options, process.env, onEvent);
  const storage = await openStorage(options).catch(refuse());
  const bus = await openBusFor(storage, options.bus, onEvent).catch(refuse("--bus: "));
  const streamkit = createStreamkit({
    storage,
    ...(bus && { bus }),
    ...(authenticate && { authenticate }),
    dedupeWindowMillis: options.dedupeWindow * 1_000,
    pollMillis: options.poll,
    cors: options.corsOrigin.includes("*") ? "*" : options.corsOrigin,
    limits: Object.fromEntries(options.limit),
    onEvent,
  });
  // The server keeps running without a reader of its output.
  for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined);
  // Must come before the address is printed, since a reader of that line may stop the server at once.
  endOnSignals(() => streamkit.close());
  await probeStorage(storage, streamkit);
  endOnUncaught(() => streamkit.close(), onEvent);
  const warn = (message: string) => onEvent({ level: "warn", kind: "unsafe-setup", message, count: 1 });
  if (exposure !== undefined) warn(exposure);
  if (options.storage !== "azure" && (options.azureConnectionString ?? options.azureEndpoint) !== undefined) {
    const message = `the account of Azure has no effect: entries go to ${options.storage} storage; pass --storage azure to use it`;
    warn(message);
  }
  const secrets = [
    ["--tls-key", options.tlsKey],
    ["--auth-secret-file", options.authSecretFile],
  ] as const;
  for (const [flag, path] of secrets) {
    const loose = path === undefined ? undefined : await looseFile(flag, path);
    if (loose !== undefined) warn(loose);
  }
  const listener = await streamkit.listen({
    port: options.port,
    host: options.host,
    allowedHosts: options.allowedHost,
    keepAliveMillis: options.keepAlive * 1_000,
    ...(loaded && {
      tls: { ...loaded.files, ...(options.tlsClientCert && { clientCertificate: options.tlsClientCert }) },
    }),
  });
  if (paths !== undefined && loaded !== undefined) {
    const watch = new TlsWatch({ paths, loaded, listener, onEvent });
    process.on("SIGHUP", () => void watch.reload());
  }
  const places = `data: ${storage.location}${bus === undefined ? "" : `; bus: ${bus.location}`}`;
  console.log(`streamkit-server ${VERSION} listens on ${listener.url}; ${places}`);
}

/**
 * Checks the storage before the start. After a transient failure the server starts, and is not ready.
 *
 * @throws Error with a message of one line if the storage cannot work
 */
async function probeStorage(storage: Storage, streamkit: Streamkit): Promise<void> {
  try {
    await storage.probe?.({ create: true });
  } catch (error) {
    if (!(error instanceof StorageUnusableError)) return;
    await streamkit.close();
    const why = describeCause(error.cause, error.message);
    throw new Error(`${storage.location}: ${error.message}${why === undefined ? "" : `: ${why}`}`);
  }
}

/** Returns a handler that turns a failure caused by the options into a UsageError, with `prefix` before its message. */
function refuse(prefix = ""): (error: Error) => never {
  return (error) => {
    throw new UsageError(`${prefix}${error.message}`);
  };
}

/** Opens the bus at this URL. The bus connects in the background. */
async function openBusFor(
  { kind, shared }: Storage,
  url: string | undefined,
  onEvent: (event: StreamkitEvent) => void,
): Promise<Bus | undefined> {
  if (url === undefined) return undefined;
  const bus: Bus = await openBus(url, {
    onStateChange: (connected, error) => {
      const message = connected ? `connected to ${bus.location}` : `${error?.message}; polling until it is back`;
      onEvent({ level: connected ? "info" : "warn", kind: "bus-changed", message, count: 1 });
    },
  });
  if (shared) return bus;
  const message = `--bus has no effect: no other server writes to ${kind} storage`;
  onEvent({ level: "warn", kind: "unsafe-setup", message, count: 1 });
  await bus.close();
  return undefined;
}

function tlsPaths({ tlsCert, tlsKey, tlsClientCa }: Options): TlsPaths | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  return { cert: tlsCert, key: tlsKey, ...(tlsClientCa !== undefined && { clientCa: tlsClientCa }) };
}
