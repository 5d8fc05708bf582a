import type { KeySet, TokenKey } from "./key-set.ts";

/** A place that keys come from. */
export interface KeySource {
  /**
   * The keys that may have signed a token with these values in its header. Empty if there are none.
   *
   * @throws AuthenticationUnavailable if the keys are not known now
   */
  find(algorithm: string, id: string | undefined): readonly TokenKey[] | Promise<readonly TokenKey[]>;
  /** Called when other keys replace the known ones, so that tokens of removed keys end. */
  onChange?: () => void;
  /** Ends timers and requests. */
  close(): void;
}

/** Keys that never change. */
export function fixedKeys(keys: KeySet): KeySource {
  return { find: (algorithm, id) => keys.fitting(algorithm, id), close: () => undefined };
}
