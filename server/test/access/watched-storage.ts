import { memoryStorage, type Storage } from "../../src/index.ts";

/** A storage in memory that counts the uses of its parts: stores that open, reads, scans, commits, lists. */
export function watchedStorage(): { readonly storage: Storage; uses(): readonly string[] } {
  const uses: string[] = [];
  const watch = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value = Reflect.get(object, name, object);
        // The probe of the server's health belongs to no call.
        if (typeof value !== "function" || name === "probe" || name === "close") {
          return typeof value === "function" ? value.bind(object) : value;
        }
        return (...parameters: unknown[]) => {
          uses.push(String(name));
          const result = value.apply(object, parameters);
          return result instanceof Promise ? result.then((later) => (isPart(later) ? watch(later) : later)) : result;
        };
      },
    });
  return { storage: watch(memoryStorage()), uses: () => uses };
}

/** True for a store, whose uses count too. */
function isPart(value: unknown): value is object {
  return typeof value === "object" && value !== null && "commit" in value;
}
