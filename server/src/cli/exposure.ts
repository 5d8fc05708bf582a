import { isLoopback } from "../http/authority.ts";
import { authenticatesByToken, type Environment } from "./auth-options.ts";
import type { Options } from "./options.ts";
import { UsageError } from "./read-options.ts";

/** True if every caller needs credentials. */
function authenticatesCallers(options: Options, environment: Environment): boolean {
  const byCertificate = options.tlsClientCa !== undefined && options.tlsClientCert !== "request";
  return byCertificate || authenticatesByToken(options, environment);
}

/**
 * Keeps strangers out of a server that authenticates nobody.
 *
 * @returns a warning if the operator lets strangers in; otherwise undefined
 * @throws UsageError if other machines could reach the server, and the operator has not agreed
 */
export function checkExposure(options: Options, environment: Environment): string | undefined {
  const { host, insecure } = options;
  if (isLoopback(host) || authenticatesCallers(options, environment)) return undefined;
  const danger = `--host ${host} lets other machines in, and no caller is authenticated`;
  if (insecure) return `${danger}: they can read and change everything (--insecure)`;
  throw new UsageError(
    `${danger}: ask for tokens (--auth-secret-file, --auth-oidc), require client certificates (--tls-client-ca), ` +
      "listen on 127.0.0.1 behind a proxy that authenticates, or pass --insecure to let every caller read and change everything",
  );
}
