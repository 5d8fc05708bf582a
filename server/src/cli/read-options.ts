import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Option, UnusableValue } from "./option.ts";

/** Options that the program does not accept. The message names the option, the value, and the expected form. */
export class UsageError extends Error {}

/** The sources of values. The first source with a value for an option wins. */
export interface Sources {
  /** The command line, without the program. */
  readonly flags: readonly string[];
  /** The environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

type Table = Readonly<Record<string, Option<unknown>>>;
type ValuesOf<T extends Table> = { readonly [Name in keyof T]: T[Name] extends Option<infer V> ? V : never };

/** Texts of one option, and the name of their place for messages. */
interface Given {
  readonly place: string;
  readonly texts: readonly string[];
}

/** "tlsCert" is the flag --tls-cert. */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** "tlsCert" is the variable STREAMKIT_TLS_CERT. */
export function variableName(name: string): string {
  return `STREAMKIT_${flagName(name).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * Reads options from the flags, then the environment, then the file that the option `config` names. The first source
 * that has an option decides its value. An empty variable counts as absent.
 *
 * @throws UsageError for an unknown option, an invalid value, or an unreadable file
 */
export function readOptions<T extends Table>(table: T, sources: Sources): ValuesOf<T> {
  const fromFlags = readFlags(table, sources.flags);
  const given = (name: string, option: Option<unknown>) =>
    fromFlags.get(name) ?? readVariable(name, option, sources.environment);
  const config = table.config && given("config", table.config)?.texts.at(-1);
  // With --help or --version, the program ignores a broken file.
  const help = ["help", "version"].some((name) => fromFlags.has(name));
  const fromFile = config === undefined || help ? new Map<string, Given>() : readFile(table, config);
  const values = Object.entries(table).map(([name, option]) => {
    const found = given(name, option) ?? fromFile.get(name);
    return [name, found === undefined ? option.default : parse(option, found)];
  });
  return Object.fromEntries(values) as ValuesOf<T>;
}

function parse(option: Option<unknown>, { place, texts }: Given): unknown {
  try {
    return option.parse(texts);
  } catch (error) {
    if (!(error instanceof UnusableValue)) throw error;
    const value = option.secret ? "cannot be used" : `is "${error.value}"`;
    throw new UsageError(`${place} ${value}; expected ${error.expected}`);
  }
}

function readFlags(table: Table, flags: readonly string[]): Map<string, Given> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { value, letter }]) => [
      flagName(name),
      { type: value === undefined ? "boolean" : "string", multiple: true, ...(letter && { short: letter }) } as const,
    ]),
  );
  let values: Record<string, unknown>;
  try {
    values = parseArgs({ args: [...flags], options }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The parser quotes such an argument, which may be a part of a secret with a space in it.
    const stray =
      "an argument follows no option that takes it; options begin with --, and values with spaces need quotes";
    throw new UsageError(code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL" ? stray : message);
  }
  const given = new Map<string, Given>();
  for (const name of Object.keys(table)) {
    const found = values[flagName(name)] as (string | boolean)[] | undefined;
    if (found !== undefined) given.set(name, { place: `--${flagName(name)}`, texts: found.map(String) });
  }
  return given;
}

function readVariable(name: string, option: Option<unknown>, environment: Sources["environment"]): Given | undefined {
  // STREAMKIT_HELP or STREAMKIT_VERSION would keep the server from starting, without an error.
  if (name === "help" || name === "version") return undefined;
  for (const place of [variableName(name), ...(option.environment ?? [])]) {
    const text = environment[place];
    if (text === undefined || text === "") continue;
    return { place, texts: option.list ? text.split(",").map((part) => part.trim()) : [text] };
  }
  return undefined;
}

function readFile(table: Table, path: string): Map<string, Given> {
  const names = new Map(Object.keys(table).map((name) => [flagName(name), name]));
  for (const name of ["config", "help", "version"]) names.delete(name);
  const given = new Map<string, Given>();
  for (const [key, value] of Object.entries(readJsonObject(path))) {
    const place = `"${key}" in ${path}`;
    const name = names.get(key);
    if (name === undefined)
      throw new UsageError(`${place} is not an option; expected one of ${[...names.keys()].join(", ")}`);
    const parts = Array.isArray(value) && table[name].list ? value : [value];
    const wrong = parts.find((part) => !["string", "number", "boolean"].includes(typeof part));
    if (wrong !== undefined) {
      const shown = table[name].secret ? "cannot be used" : `is ${JSON.stringify(value)}`;
      throw new UsageError(`${place} ${shown}; expected a string, a number, true or false`);
    }
    given.set(name, { place, texts: parts.map(String) });
  }
  return given;
}

function readJsonObject(path: string): object {
  // The system quotes a path that does not exist.
  if (path.includes("{")) throw new UsageError("--config holds JSON; expected the path of a JSON file");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read the options: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message quotes the file, which may hold a password.
    const place = / at position \d+.*$/.exec((error as Error).message)?.[0] ?? "";
    throw new UsageError(`${path} is not JSON${place}; expected an object such as {"port": 8080}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new UsageError(`${path} does not hold options; expected a JSON object such as {"port": 8080}`);
}
