/**
 * The refusal of a Node version that is too old, or `undefined`. Imports nothing, so that old versions can load it.
 *
 * @param version as in `process.versions.node`: "22.15.0"
 */
export function refusalOfNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 15)) return undefined;
  return `needs Node.js 22.15 or later; this is ${version}`;
}
