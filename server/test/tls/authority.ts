import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A certificate and its key, in PEM format. */
export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Parts of a certificate. */
interface Wish {
  /** Distinguished name as openssl takes it. Default "/CN=streamkit test". */
  readonly subject?: string;
  /** Subject alternative names, such as "IP:127.0.0.1" and "URI:spiffe://example/orders". Default: none. */
  readonly names?: readonly string[];
  /** Key: "ec" or "rsa". Default "ec". */
  readonly key?: "ec" | "rsa";
  /** Extended use: "clientAuth" or "serverAuth". Default: no limit. */
  readonly use?: "clientAuth" | "serverAuth";
  /** End of validity as YYYYMMDDHHMMSSZ. Default: in two days. */
  readonly end?: string;
}

/** An authority that signs certificates. */
export interface Authority extends AsyncDisposable {
  /** Certificate of the authority. */
  readonly cert: Buffer;
  issue(wish?: Wish): Promise<Pair>;
}

/** Makes an authority with a key of its own. */
export async function makeAuthority(name = "authority"): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "streamkit-authority-"));
  const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
  const newKey = (kind: "ec" | "rsa", file: string) => [
    ...(kind === "ec" ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["-newkey", "rsa:2048"]),
    ...["-nodes", "-keyout", file],
  ];
  await openssl("req", "-x509", ...newKey("ec", "ca.key"), "-subj", `/CN=${name}`, "-days", "2", "-out", "ca.pem");
  await writeFile(join(folder, "index"), "");
  await writeFile(join(folder, "serial"), "01");
  let issued = 0;
  return {
    cert: await readFile(join(folder, "ca.pem")),
    async issue({ subject = "/CN=streamkit test", names = [], key = "ec", use, end } = {}) {
      const at = `${++issued}`;
      await openssl("req", "-new", ...newKey(key, `${at}.key`), "-subj", subject, "-out", `${at}.request`);
      const extensions = [
        ...(names.length === 0 ? [] : ["subjectAltName=@names"]),
        ...(use === undefined ? [] : [`extendedKeyUsage=${use}`]),
      ];
      const section = names.map((name, i) => name.replace(":", `.${i}=`));
      const config = [CONFIG, "[extensions]", ...extensions, "[names]", ...section, ""];
      await writeFile(join(folder, `${at}.config`), config.join("\n"));
      const dates = ["-startdate", "20200101000000Z", ...(end === undefined ? ["-days", "36500"] : ["-enddate", end])];
      await openssl(
        ...["ca", "-batch", "-notext", "-md", "sha256", "-config", `${at}.config`, "-extensions", "extensions"],
        ...["-cert", "ca.pem", "-keyfile", "ca.key", "-outdir", ".", ...dates, "-in", `${at}.request`],
        ...["-out", `${at}.pem`],
      );
      const [cert, privateKey] = await Promise.all(
        [`${at}.pem`, `${at}.key`].map((file) => readFile(join(folder, file))),
      );
      return { cert: cert as Buffer, key: privateKey as Buffer };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Only `openssl ca` takes dates, and it wants files of an authority. */
const CONFIG = `[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
`;
