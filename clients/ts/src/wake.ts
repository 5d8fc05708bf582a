/**
 * Calls a function when it makes sense to try again at once: when the page is online or visible again. Does nothing
 * outside of browsers.
 *
 * @returns the function that ends this
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
