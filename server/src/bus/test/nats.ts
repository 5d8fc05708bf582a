import { type BusServer, startBusServer } from "./bus-server.ts";

export interface NatsOptions {
  /** The server requires this user from every client. */
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Files of the certificate and the key. With them, the server requires TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** A file with further configuration. */
  readonly configFile?: string;
}

/** A real NATS server, without JetStream. */
export function startNats({ user, password, token, tls, configFile }: NatsOptions = {}): Promise<BusServer> {
  const credentials = token ?? (user === undefined ? undefined : `${user}:${encodeURIComponent(password ?? "")}`);
  return startBusServer({
    command: "nats-server",
    arguments: (port) => [
      ...["--addr", "127.0.0.1", "--port", String(port)],
      ...(user === undefined ? [] : ["--user", user, "--pass", password ?? ""]),
      ...(token === undefined ? [] : ["--auth", token]),
      ...(tls === undefined ? [] : ["--tls", "--tlscert", tls.certFile, "--tlskey", tls.keyFile]),
      ...(configFile === undefined ? [] : ["--config", configFile]),
    ],
    readyLine: /Server is ready/,
    url: (port) =>
      `${tls === undefined ? "nats" : "tls"}://${credentials === undefined ? "" : `${credentials}@`}127.0.0.1:${port}`,
  });
}
