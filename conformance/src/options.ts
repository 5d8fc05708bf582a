import { type ParseArgsConfig, parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;

/**
 * The options of this process. With `--help` or `-h`, prints how it is used and ends it; for options that it does not
 * have, ends it with what is wrong and exit code 2.
 */
export function readOptions<const T extends Options>(usage: string, options: T) {
  if (process.argv.includes("--help") || process.argv.includes("-h")) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
