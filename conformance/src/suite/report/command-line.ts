/** Options whose values are secret. */
const SECRET = ["--token", "--azure-connection-string"];

/** Returns the command line of a run for a statement, with secret values hidden. */
export function commandLine(args: readonly string[]): string {
  const shown = args.map((arg, index) => {
    const [name] = arg.split("=", 1);
    if (arg !== name && SECRET.includes(name!)) return `${name}=***`;
    return SECRET.includes(args[index - 1] ?? "") ? "***" : arg;
  });
  return ["streamkit-conformance", ...shown].join(" ");
}
