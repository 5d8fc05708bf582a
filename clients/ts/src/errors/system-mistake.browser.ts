/** Bundles for browsers have these functions: browsers give no code with a failed call, so there is none to recognise. */
export function systemMistake(_error: Error): undefined {
  return undefined;
}

export function isUnknownHost(_error: unknown): boolean {
  return false;
}
