import type { ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@streamkit/protocol/health";
import type { StorageHealth } from "../health.ts";

/**
 * The standard health service. The server ("") and each of its services are SERVING while the storage works. They are
 * NOT_SERVING while the storage fails, and from the beginning of a shutdown.
 */
export function healthRoutes(
  services: ReadonlySet<string>,
  health: StorageHealth,
  shutdown: AbortSignal,
): ServiceImpl<typeof Health> {
  const statusOf = (service: string) => {
    if (service !== "" && !services.has(service)) return Status.SERVICE_UNKNOWN;
    return shutdown.aborted || !health.ready().ready ? Status.NOT_SERVING : Status.SERVING;
  };
  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) throw new ConnectError(`there is no service "${service}"`, Code.NotFound);
      return { status };
    },

    async *watch({ service }, { signal }) {
      const ended = AbortSignal.any([signal, shutdown]);
      let wake = () => {};
      ended.addEventListener("abort", () => wake(), { once: true });
      using _ = health.subscribe(() => wake());
      let told: Status | undefined;
      while (!signal.aborted) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const status = statusOf(service);
        if (status !== told) {
          told = status;
          yield { status };
          // A change during the yield woke nobody, so check again.
          continue;
        }
        if (ended.aborted) return;
        await changed;
      }
    },

    list() {
      const statuses = [...services].map((service) => [service, { status: statusOf(service) }] as const);
      return { statuses: Object.fromEntries(statuses) };
    },
  };
}
