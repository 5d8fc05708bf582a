/** The functions of bundles for browsers: browsers give no code with a failed call. */
export function systemMistake(_error: Error): undefined {
  return undefined;
}

export function isUnknownHost(_error: unknown): boolean {
  return false;
}
