import { createStreamkit, formatEvent, type Streamkit, verifyExport } from "../../index.ts";
import { openStorage, type StorageOptions } from "../open-storage.ts";
import type { Option } from "../option.ts";
import { readOptions, UsageError } from "../read-options.ts";
import { commandUsage } from "../usage.ts";
import { EXPORT_OPTIONS, IMPORT_OPTIONS, VERIFY_OPTIONS } from "./copy-options.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { runExport } from "./export-command.ts";
import { readBytes } from "./files.ts";
import { runImport } from "./import-command.ts";
import { ProgressLine } from "./progress.ts";

const COMMANDS = {
  export: "writes a store to a file: an exact copy, or lines of JSON",
  import: "writes the content of a file into a store",
  verify: "checks the file of an export, and writes nothing",
};

export type CopyCommand = keyof typeof COMMANDS;

export function isCopyCommand(word: string): word is CopyCommand {
  return Object.hasOwn(COMMANDS, word);
}

/**
 * Runs a command and prints its result, or one line with the error.
 *
 * @returns the exit code; see `EXIT`
 */
export async function runCopyCommand(command: CopyCommand, flags: readonly string[]): Promise<number> {
  // Files of this process are for its user alone.
  process.umask(0o077);
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
  }
  // A reader of the output that goes away ends the command by an error of its write.
  process.stdout.on("error", () => undefined);
  try {
    await run(command, flags, interrupt.signal);
    return EXIT.ok;
  } catch (error) {
    if (interrupt.signal.aborted) {
      console.error(`streamkit-server ${command}: ${interrupt.signal.reason.message}`);
      return EXIT.interrupted;
    }
    const hint = error instanceof UsageError ? `\n\nstreamkit-server ${command} --help lists the options` : "";
    console.error(`streamkit-server ${command}: ${(error as Error).message}${hint}`);
    return exitCodeOf(error);
  }
}

async function run(command: CopyCommand, flags: readonly string[], signal: AbortSignal): Promise<void> {
  const read = <T extends Readonly<Record<string, Option<unknown>>>>(table: T) => {
    const options = readOptions(table, { flags, environment: process.env });
    if (options.help === true) console.log(commandUsage(command, COMMANDS[command], table));
    return options;
  };
  if (command === "export") {
    const options = read(EXPORT_OPTIONS);
    if (!options.help) await withServer(options, (server) => runExport(server, options, signal));
  } else if (command === "import") {
    const options = read(IMPORT_OPTIONS);
    if (!options.help) await withServer(options, (server) => runImport(server, options, signal));
  } else {
    const options = read(VERIFY_OPTIONS);
    if (!options.help) await runVerify(options.file, options.json, signal);
  }
}

/** Opens the storage without a port. */
async function withServer(options: StorageOptions, action: (server: Streamkit) => Promise<void>): Promise<void> {
  const storage = await openStorage(options).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  const server = createStreamkit({ storage, onEvent: (event) => console.error(formatEvent(event, "text")) });
  try {
    await action(server);
  } finally {
    await server.close();
  }
}

async function runVerify(file: string, json: boolean, signal: AbortSignal): Promise<void> {
  const progress = new ProgressLine("verified");
  const { origin, totals, positions } = await verifyExport(readBytes(file), (work) => {
    signal.throwIfAborted();
    progress.show(work);
  }).finally(() => progress.end());
  if (json) {
    console.log(JSON.stringify({ ...origin, ...totals, positions: Object.fromEntries(positions) }));
    return;
  }
  const scope = [origin.segment && `segment "${origin.segment}" of `, origin.space && `space "${origin.space}" of `];
  const kind = origin.baseSha256 === undefined ? "full" : `continues ${origin.baseSha256.slice(0, 16)}`;
  console.log(
    `${scope.filter(Boolean).join("")}store ${origin.storeId}, ${kind}: ${totals.entries} entries in ${totals.spaces} spaces, ${totals.cursors} cursors, ${totals.bytes} bytes, SHA-256 ${totals.sha256}`,
  );
}
