import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../server-process.ts";
import type { Authority, Pair } from "./authority.ts";

/** Makes a folder with the files of a port with TLS. */
export async function makeTlsFiles(pair: Pair, authority: Authority) {
  const folder = await temporaryFolder();
  const cert = join(folder.path, "cert.pem");
  const key = join(folder.path, "key.pem");
  const clientCa = join(folder.path, "ca.pem");
  const write = async (files: Partial<Pair>) => {
    if (files.cert !== undefined) await writeFile(cert, files.cert);
    if (files.key !== undefined) await writeFile(key, files.key, { mode: 0o600 });
  };
  await write(pair);
  await writeFile(clientCa, authority.cert);
  return {
    folder: folder.path,
    cert,
    key,
    clientCa,
    write,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
