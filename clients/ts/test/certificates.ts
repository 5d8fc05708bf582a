import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A certificate that signed itself, and its key. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Makes a certificate for some names, for example `IP:127.0.0.1`; with `expired`, one whose time was over in 2020. */
export async function makeCertificate(names: string, expired = false): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-certificate-"));
  try {
    const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
    const subject = ["-subj", "/CN=streamkit test", "-addext", `subjectAltName=${names}`];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key"];
    if (expired) {
      // Only `openssl ca` takes dates, and it wants files of an authority.
      await writeFile(join(folder, "index"), "");
      await writeFile(join(folder, "serial"), "01");
      await writeFile(join(folder, "config"), AUTHORITY);
      await openssl("req", "-new", ...key, ...subject, "-out", "request");
      const dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"];
      const files = ["-config", "config", "-keyfile", "key", "-in", "request", "-out", "cert", "-outdir", "."];
      await openssl("ca", "-batch", "-selfsign", "-notext", "-md", "sha256", ...dates, ...files);
    } else {
      await openssl("req", "-x509", ...key, ...subject, "-days", "2", "-out", "cert");
    }
    const [cert, privateKey] = await Promise.all(["cert", "key"].map((name) => readFile(join(folder, name))));
    return { cert, key: privateKey };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const AUTHORITY = `[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;
