import type { FaultProxy } from "../../../server/src/storage/azure/test/fault-proxy.ts";

/** A commit that was on its way to Azure and is held back. */
export interface HeldCommit {
  /** Lets it go on. Resolves with Azure's answer, whether or not anybody waits for it any more. */
  release(): Promise<string>;
}

/** Holds the next commit that goes through a proxy: resolves when there is one. */
export function holdCommit(proxy: FaultProxy): Promise<HeldCommit> {
  const released = Promise.withResolvers<void>();
  return new Promise((resolve) => {
    let held = false;
    proxy.script(({ isTransaction, answer }) => {
      if (held || !isTransaction) return undefined;
      held = true;
      resolve({
        release: () => {
          released.resolve();
          return answer;
        },
      });
      return { kind: "after", until: released.promise };
    });
  });
}
