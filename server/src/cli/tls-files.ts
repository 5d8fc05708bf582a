import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { secureContextOptions, type TlsFiles, UnusableTlsError } from "../http/tls.ts";
import type { Listener, StreamkitEvent } from "../index.ts";

/** Paths of the files of TLS. */
export type TlsPaths = { readonly [Part in keyof TlsFiles]: string };

/** The files of TLS, and the state of the disk before they were read. */
export interface LoadedTls {
  readonly files: TlsFiles;
  readonly state: string;
}

export interface TlsWatchOptions {
  readonly paths: TlsPaths;
  /** The files that the listener uses. */
  readonly loaded: LoadedTls;
  readonly listener: Pick<Listener, "renewTls">;
  readonly onEvent: (event: StreamkitEvent) => void;
  /** Time between looks at the files, in milliseconds. Default 2,000. */
  readonly intervalMillis?: number;
}

const FLAGS: Readonly<Record<keyof TlsFiles, string>> = {
  cert: "--tls-cert",
  key: "--tls-key",
  clientCa: "--tls-client-ca",
};

/** @throws Error with a message of one line that names the option and the file */
export async function readTls(paths: TlsPaths): Promise<LoadedTls> {
  for (const [part, path] of Object.entries(paths)) {
    // The system quotes a path that does not exist.
    if (path.includes("-----BEGIN"))
      throw new Error(`${FLAGS[part as keyof TlsFiles]} holds PEM; expected a file's path`);
  }
  const state = await stateOf(paths);
  const read = (part: keyof TlsFiles, path: string) =>
    readFile(path).catch((error) => {
      throw new Error(`${FLAGS[part]} cannot be read: ${error.message}`);
    });
  const files: TlsFiles = {
    cert: await read("cert", paths.cert),
    key: await read("key", paths.key),
    ...(paths.clientCa !== undefined && { clientCa: await read("clientCa", paths.clientCa) }),
  };
  try {
    secureContextOptions(files);
  } catch (error) {
    if (!(error instanceof UnusableTlsError)) throw error;
    throw new Error(`${FLAGS[error.part]} ${paths[error.part]} ${error.complaint}`);
  }
  return { files, state };
}

/**
 * Gives new files to the listener, at the latest two intervals after their last change. Files that do not work cause
 * one event; the listener keeps the old ones.
 *
 * The watch compares times and sizes. File systems of networks send no notifications, and a certificate is often a
 * symbolic link to a file in another folder.
 */
export class TlsWatch implements Disposable {
  readonly #options: TlsWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #files: TlsFiles;
  /** States of the disk: the last one seen, and the last one whose files were read. */
  #seen: string;
  #read: string;
  #work: Promise<void> | undefined;

  constructor(options: TlsWatchOptions) {
    this.#options = options;
    this.#files = options.loaded.files;
    this.#seen = options.loaded.state;
    this.#read = options.loaded.state;
    this.#timer = setInterval(() => {
      this.#work ??= this.#look().finally(() => {
        this.#work = undefined;
      });
    }, options.intervalMillis ?? 2_000);
    this.#timer.unref();
  }

  /** Reads the files again now, whether they have changed or not. */
  async reload(): Promise<void> {
    await this.#work;
    await this.#load();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#options.paths);
    // Programs write certificate and key one after the other.
    const settled = state === this.#seen;
    this.#seen = state;
    if (settled && state !== this.#read) await this.#load();
  }

  async #load(): Promise<void> {
    const { paths, listener, onEvent } = this.#options;
    this.#read = await stateOf(paths);
    try {
      const { files, state } = await readTls(paths);
      this.#read = state;
      if (isEqual(files, this.#files)) return;
      listener.renewTls(files);
      this.#files = files;
      const end = new X509Certificate(files.cert).validToDate.toISOString();
      const message = `new connections get the certificate that ${FLAGS.cert} ${paths.cert} has now, valid until ${end}`;
      onEvent({ level: "info", kind: "certificate-changed", message, count: 1 });
    } catch (error) {
      const message = `the server keeps its certificate, because the new files do not work: ${(error as Error).message}`;
      onEvent({ level: "error", kind: "certificate-changed", message, count: 1 });
    }
  }
}

/** Times and sizes of the files, so that a change of a file changes the result. */
async function stateOf(paths: TlsPaths): Promise<string> {
  const states = Object.values(paths).map((path) =>
    stat(path, { bigint: true }).then(
      ({ dev, ino, size, mtimeNs, ctimeNs }) => [dev, ino, size, mtimeNs, ctimeNs].join(" "),
      (error: NodeJS.ErrnoException) => String(error.code),
    ),
  );
  return (await Promise.all(states)).join("\n");
}

function isEqual(a: TlsFiles, b: TlsFiles): boolean {
  return (["cert", "key", "clientCa"] as const).every((part) => String(a[part]) === String(b[part]));
}
