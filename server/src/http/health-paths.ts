/** The readiness of a server, for load balancers. */
export interface Readiness {
  readonly ready: boolean;
  /** Why the server is not ready. */
  readonly reason?: string;
}

/**
 * Answers a health check: `/healthz` succeeds while the process serves, `/readyz` while the storage works too. Returns
 * undefined for every other path.
 */
export function healthAnswer(path: string, readiness: () => Readiness): { status: number; text: string } | undefined {
  if (path === "/healthz") return { status: 200, text: "ok\n" };
  if (path !== "/readyz") return undefined;
  const { ready, reason } = readiness();
  return ready ? { status: 200, text: "ready\n" } : { status: 503, text: `not ready: ${reason ?? "unknown"}\n` };
}
