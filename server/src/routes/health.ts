import type { ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@streamkit/protocol/health";

/** The standard health service: SERVING for the server ("") and each of its services until it shuts down. */
export function healthRoutes(services: ReadonlySet<string>, shutdown: AbortSignal): ServiceImpl<typeof Health> {
  const statusOf = (service: string) => {
    if (service !== "" && !services.has(service)) return Status.SERVICE_UNKNOWN;
    return shutdown.aborted ? Status.NOT_SERVING : Status.SERVING;
  };
  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) throw new ConnectError(`there is no service "${service}"`, Code.NotFound);
      return { status };
    },

    async *watch({ service }, { signal }) {
      yield { status: statusOf(service) };
      const ended = AbortSignal.any([signal, shutdown]);
      if (!ended.aborted) {
        await new Promise((resolve) => ended.addEventListener("abort", resolve, { once: true }));
      }
      if (!signal.aborted) yield { status: statusOf(service) };
    },

    list() {
      const statuses = [...services].map((service) => [service, { status: statusOf(service) }] as const);
      return { statuses: Object.fromEntries(statuses) };
    },
  };
}
