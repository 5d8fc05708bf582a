import { DEFAULT_SERVER_LIMITS, type ServerLimits } from "../budgets/limits.ts";
import { parseOrigin } from "../http/origin.ts";
import { AUTH_OPTIONS } from "./auth-options.ts";
import { choice, decimal, integer, list, type Option, text, toggle, UnusableValue } from "./option.ts";

/**
 * All options of `streamkit-server`, in the order of the help. The flag, the variable and the key in the file follow
 * from the name: `tlsCert` is --tls-cert, STREAMKIT_TLS_CERT and "tls-cert". The table in docs/install.md lists the
 * same options.
 */
export const OPTIONS = {
  port: integer(0, 65_535, {
    value: "N",
    default: 8080,
    environment: ["PORT"],
    help: "port to listen on, 0 for a free one",
  }),
  host: text({ value: "ADDRESS", default: "127.0.0.1", help: "address to listen on" }),
  storage: choice(["level", "memory", "azure"], {
    value: "KIND",
    default: "level",
    help: "level: durable, in files; memory: for trials; azure: Table Storage",
  }),
  path: text({ value: "FOLDER", default: "./data", help: "where level keeps its files" }),
  requireData: toggle({ help: "refuse to start when --path holds no data: its volume may not be mounted" }),
  azureConnectionString: text({
    value: "S",
    secret: true,
    environment: ["AZURE_STORAGE_CONNECTION_STRING"],
    help: "account and key or SAS, or UseDevelopmentStorage=true",
  }),
  azureEndpoint: text({
    value: "URL",
    environment: ["AZURE_TABLES_ENDPOINT"],
    help: "account to reach with the identity of the environment;\nneeds @azure/identity",
  }),
  bus: text({
    value: "URL",
    secret: true,
    help:
      "bus over which servers on one storage announce changes: redis://, rediss://, nats:// or tls://\n" +
      "[user:password@]host[:port]; needs ioredis or @nats-io/transport-node",
  }),
  insecure: toggle({
    help: "let other machines in (--host) without authentication: they can read and change everything",
  }),
  tlsCert: text({ value: "FILE", help: "PEM certificate and its chain; with --tls-key, serves https" }),
  tlsKey: text({ value: "FILE", help: "PEM key; the server takes changed files over without a restart, or at SIGHUP" }),
  tlsClientCa: text({ value: "FILE", help: "PEM certificates of the authorities that sign client certificates" }),
  tlsClientCert: choice(["require", "request"], {
    value: "RULE",
    help: "require (default with --tls-client-ca): clients without a valid certificate\nare cut off; request: they get in",
  }),
  ...AUTH_OPTIONS,
  corsOrigin: list({ value: "URL", help: 'origin that browsers may call from, or "*"; may be repeated' }, corsOrigin),
  allowedHost: list(
    {
      value: "NAME",
      help: 'host name that the server answers to, beside addresses, localhost and --host;\n"*" for all; may be repeated',
    },
    hostName,
  ),
  limit: list(
    {
      value: "NAME=N",
      help: "changes a limit of docs/limits.md, such as streams=1000; may be repeated",
    },
    limit,
  ),
  dedupeWindow: decimal(1, 30 * 86_400, {
    value: "S",
    default: 600,
    help: "seconds that a transaction id is remembered",
  }),
  keepAlive: decimal(0.1, 3_600, {
    value: "S",
    default: 15,
    help: "seconds between checks that HTTP/2 clients live",
  }),
  log: choice(["text", "json"], {
    value: "FORMAT",
    default: "text",
    help: "how events are written to stderr: text or json",
  }),
  poll: integer(10, 3_600_000, {
    value: "MS",
    default: 1_000,
    help: "milliseconds between polls of followed spaces for changes by other servers on the same storage",
  }),
  config: text({ value: "FILE", help: 'JSON file with options: {"port": 9000, "cors-origin": ["https://a.example"]}' }),
  version: toggle({ letter: "v", help: "prints the version" }),
  help: toggle({ letter: "h", help: "prints this" }),
} as const;

/** The values of all options. */
export type Options = {
  readonly [Name in keyof typeof OPTIONS]: (typeof OPTIONS)[Name] extends Option<infer T> ? T : never;
};

function corsOrigin(value: string): string {
  try {
    return value === "*" ? value : parseOrigin(value);
  } catch (error) {
    throw new UnusableValue(value, `"*" or ${(error as Error).message}`);
  }
}

function hostName(value: string): string {
  if (value === "*" || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value)) return value;
  throw new UnusableValue(value, 'a host name without scheme and port, such as streamkit.example.com, or "*"');
}

function limit(value: string): readonly [name: keyof ServerLimits, value: number] {
  const [name, number, rest] = value.split("=");
  const names = Object.keys(DEFAULT_SERVER_LIMITS);
  if (rest === undefined && names.includes(name) && /^[1-9]\d{0,14}$/.test(number ?? "")) {
    return [name as keyof ServerLimits, Number(number)];
  }
  throw new UnusableValue(value, `NAME=N with a whole number from 1 on, and one of ${names.join(", ")}`);
}
