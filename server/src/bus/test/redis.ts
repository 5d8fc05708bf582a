import { type BusServer, startBusServer } from "./bus-server.ts";

export interface RedisOptions {
  /** The server requires this password from every client. */
  readonly password?: string;
  /** Users beside the default one, as in an ACL file: `name on >password ...`. */
  readonly users?: readonly string[];
  /** Files of the certificate and the key. With them, the port speaks TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** A real Redis, without persistence. */
export function startRedis({ password, users = [], tls }: RedisOptions = {}): Promise<BusServer> {
  const tlsOptions = (port: number) =>
    tls === undefined
      ? ["--port", String(port)]
      : [
          ...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"],
          ...["--tls-cert-file", tls.certFile, "--tls-key-file", tls.keyFile, "--tls-ca-cert-file", tls.certFile],
        ];
  return startBusServer({
    command: "redis-server",
    arguments: (port, folder) => [
      ...["--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"],
      ...tlsOptions(port),
      ...(password === undefined ? [] : ["--requirepass", password]),
      ...users.flatMap((user) => ["--user", ...user.split(" ")]),
    ],
    readyLine: /Ready to accept connections/,
    url: (port) => {
      const credentials = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
      return `${tls === undefined ? "redis" : "rediss"}://${credentials}127.0.0.1:${port}`;
    },
  });
}
