/**
 * Returns the error for a version of Node that is too old; undefined for a sufficient one. The file imports nothing, so
 * that old versions of Node can load it.
 *
 * @param version version as in `process.versions.node`, such as "22.15.0"
 */
export function refusalOfNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 15)) return undefined;
  return `needs Node.js 22.15 or later; this is ${version}`;
}
