import type { FaultProxy } from "../../../server/src/storage/azure/test/fault-proxy.ts";

/** A commit on its way to Azure that the proxy holds back. */
export interface HeldCommit {
  /** Lets the commit continue. Resolves to Azure's answer, even if the instance no longer waits for it. */
  release(): Promise<string>;
}

/** Holds back the next commit through a proxy. Resolves when there is one. */
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
