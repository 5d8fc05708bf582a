import { VERSION } from "../version.ts";
import type { Option } from "./option.ts";
import { OPTIONS } from "./options.ts";
import { flagName } from "./read-options.ts";

/** Column of the explanations. */
const INDENT = " ".repeat(28);

/** The text of --help. */
export function usage(): string {
  return `streamkit-server ${VERSION}: ordered event streams over HTTP (Connect, gRPC, gRPC-Web)

${rowsOf(OPTIONS)}

"streamkit-server token" makes tokens for --auth-secret-file; "streamkit-server token --help" lists its options.
The commands export, import and verify copy stores to files and back; each has its own --help.

An option may also come from the environment, as STREAMKIT_ and its name (--tls-cert: STREAMKIT_TLS_CERT), or from the
file of --config, as JSON whose keys are the names ("tls-cert"). A flag wins over the environment, and the environment over
the file.
`;
}

/** The text of --help of a command. */
export function commandUsage(command: string, what: string, table: Readonly<Record<string, Option<unknown>>>): string {
  return `streamkit-server ${command}: ${what}

${rowsOf(table)}

An option may also come from the environment, as STREAMKIT_ and its name (--path: STREAMKIT_PATH).
`;
}

/** The help of the options of a table, in its order. */
export function rowsOf(table: Readonly<Record<string, Option<unknown>>>): string {
  return Object.entries(table)
    .map(([name, option]) => row(name, option))
    .join("\n");
}

function row(name: string, option: Option<unknown>): string {
  const flag = [`--${flagName(name)}`, ...(option.letter ? [`-${option.letter}`] : [])].join(", ");
  const left = `  ${flag}${option.value === undefined ? "" : ` ${option.value}`}`;
  const help = `${option.help}${shownDefault(option)}`.replaceAll("\n", `\n${INDENT}`);
  return left.length < INDENT.length ? left.padEnd(INDENT.length) + help : `${left}\n${INDENT}${help}`;
}

function shownDefault({ environment, default: value }: Option<unknown>): string {
  const shown = [
    ...(typeof value === "string" || typeof value === "number" ? [String(value)] : []),
    ...(environment ?? []).map((name) => `or $${name}`),
  ];
  return shown.length === 0 ? "" : `  (${shown.join(" ")})`;
}
