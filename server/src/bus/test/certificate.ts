import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";

export interface Certificate extends AsyncDisposable {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A new self-signed certificate for 127.0.0.1. */
export async function makeCertificate(): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-certificate-"));
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    ...["-keyout", keyFile, "-out", certFile],
  ]);
  return { certFile, keyFile, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** Makes this process trust the certificate, as NODE_EXTRA_CA_CERTS would from its start. */
export async function trust({ certFile }: Certificate): Promise<void> {
  setDefaultCACertificates([...getCACertificates("default"), await readFile(certFile, "utf8")]);
}
