/**
 * Calls back when there is reason to try again at once: the page is online again, or visible again. Does nothing
 * outside of browsers.
 *
 * @returns the function that ends it
 */
export function onWake(callback: () => void): () => void {
  const { document } = globalThis as { document?: Document };
  const target = globalThis as Partial<Pick<typeof globalThis, "addEventListener" | "removeEventListener">>;
  if (typeof target.addEventListener !== "function") return () => {};
  const onVisible = () => {
    if (document?.visibilityState === "visible") callback();
  };
  target.addEventListener("online", callback);
  document?.addEventListener("visibilitychange", onVisible);
  return () => {
    target.removeEventListener?.("online", callback);
    document?.removeEventListener("visibilitychange", onVisible);
  };
}
