/** The page, or the worker of a page, that this code runs in. `undefined` outside of browsers. */
export function browserPage(): { readonly origin: string; readonly url: string } | undefined {
  const { document, WorkerGlobalScope, location } = globalThis as {
    document?: unknown;
    WorkerGlobalScope?: unknown;
    location?: { origin: string; href: string };
  };
  if (location === undefined || (document === undefined && WorkerGlobalScope === undefined)) return undefined;
  return { origin: location.origin, url: location.href };
}
