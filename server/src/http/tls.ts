import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";

/** Certificates and keys of a port, all in PEM format. */
export interface TlsFiles {
  /** Certificate of the server, followed by those of its intermediate authorities. */
  readonly cert: string | Buffer;
  /** Private key of the server's certificate, without a passphrase. */
  readonly key: string | Buffer;
  /** Certificates of the authorities that sign client certificates. Without them the server asks for no certificate. */
  readonly clientCa?: string | Buffer;
}

/** TLS of a port. */
export interface TlsOptions extends TlsFiles {
  /**
   * Effect of `clientCa`. "require" closes the connection of a client without a valid certificate. "request" lets such
   * a client in; its requests have no `peer`. Default "require".
   */
  readonly clientCertificate?: "request" | "require";
}

/**
 * A part of `TlsFiles` that no server can use. The message completes a sentence that begins with the name of the part:
 * "is not a certificate in PEM format".
 */
export class UnusableTlsError extends TypeError {
  readonly part: keyof TlsFiles;
  readonly complaint: string;

  constructor(part: keyof TlsFiles, complaint: string) {
    super(`tls.${part} ${complaint}`);
    this.part = part;
    this.complaint = complaint;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The options of a secure context for these files. The lowest version of TLS is 1.2, also if Node's flags allow older
 * ones.
 *
 * @throws UnusableTlsError for a file that does not work
 */
export function secureContextOptions({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  const [own] = certificatesOf("cert", cert);
  // Node compares a certificate only with a key of its own type.
  if (!own?.checkPrivateKey(privateKeyOf(key))) {
    throw new UnusableTlsError("key", "does not belong to the first certificate of the chain");
  }
  // Node trusts the public authorities in place of an empty list.
  if (clientCa !== undefined) certificatesOf("clientCa", clientCa);
  const options: SecureContextOptions = {
    cert,
    key,
    ...(clientCa !== undefined && { ca: clientCa }),
    minVersion: "TLSv1.2",
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new UnusableTlsError("cert", `cannot be used: ${(error as Error).message}`);
  }
  return options;
}

function certificatesOf(part: "cert" | "clientCa", pem: string | Buffer): X509Certificate[] {
  const blocks = pem.toString("latin1").match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new UnusableTlsError(part, "has no certificate in PEM format");
  return blocks.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new UnusableTlsError(part, `has a damaged certificate, number ${at + 1}: ${(error as Error).message}`);
    }
  });
}

function privateKeyOf(pem: string | Buffer): KeyObject {
  const text = pem.toString("latin1");
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text)) {
    const remedy = "write it without one: openssl pkey -in key.pem -out plain.pem";
    throw new UnusableTlsError("key", `has a passphrase, which the server does not take; ${remedy}`);
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw new UnusableTlsError("key", "is not a private key in PEM format");
  }
}
