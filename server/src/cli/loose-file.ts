import { stat } from "node:fs/promises";

/**
 * Returns a warning if other users of this machine can read a secret file; otherwise undefined. A file of root may be
 * readable to a group, as that of Debian for TLS keys.
 */
export async function looseFile(flag: string, path: string): Promise<string | undefined> {
  if (process.platform === "win32") return undefined;
  const { mode, uid } = await stat(path);
  if ((mode & (uid === 0 ? 0o037 : 0o077)) === 0) return undefined;
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return `other users of this machine can read or change ${flag} ${path} (mode ${shown}): chmod 600 ${path}`;
}
