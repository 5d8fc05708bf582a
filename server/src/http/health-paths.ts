/** Whether a server works, as load balancers ask. */
export interface Readiness {
  readonly ready: boolean;
  /** Why it is not ready. */
  readonly reason?: string;
}

/**
 * Answers what load balancers ask with GET or HEAD: `/healthz` (the process serves) and `/readyz` (so does the
 * storage). Undefined for other paths.
 */
export function healthAnswer(path: string, readiness: () => Readiness): { status: number; text: string } | undefined {
  if (path === "/healthz") return { status: 200, text: "ok\n" };
  if (path !== "/readyz") return undefined;
  const { ready, reason } = readiness();
  return ready ? { status: 200, text: "ready\n" } : { status: 503, text: `not ready: ${reason ?? "unknown"}\n` };
}
