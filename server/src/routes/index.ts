import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import type { UniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { CursorService, LeaseService, PresenceService, StoreService, StreamService } from "@streamkit/protocol";
import { Health } from "@streamkit/protocol/health";
import type { Accounts } from "../budgets/account.ts";
import { createAdmission } from "../budgets/admission.ts";
import type { ServerLimits } from "../budgets/limits.ts";
import { responseBudget } from "../budgets/response-budget.ts";
import type { OpenStores } from "../engine/open-stores.ts";
import type { Events } from "../events.ts";
import type { StorageHealth } from "../health.ts";
import type { Storage } from "../storage/port.ts";
import { toConnectError } from "./connect-error.ts";
import { cursorRoutes } from "./cursor-routes.ts";
import { entryRoutes } from "./entry-routes.ts";
import { withErrors, withRequestErrors } from "./error-interceptor.ts";
import { healthRoutes } from "./health.ts";
import { leaseRoutes } from "./lease-routes.ts";
import { opaqueRoutes } from "./opaque-routes.ts";
import { presenceRoutes } from "./presence-routes.ts";
import { withRequestReader } from "./reading/read-request.ts";
import { reflectionRoutes } from "./reflection.ts";
import { statusRoutes } from "./status-routes.ts";
import { storeRoutes } from "./store-routes.ts";
import { Stores } from "./stores.ts";

export interface RoutesOptions {
  readonly storage: Storage;
  readonly openStores: OpenStores;
  /** What callers may use, and what they use now; shared by all routers. */
  readonly limits: ServerLimits;
  readonly accounts: Accounts;
  readonly dedupeWindowMillis: number;
  /** Aborted when the server begins to shut down. */
  readonly shutdown: AbortSignal;
  /** Told about failures of storage and defects; counts all others. */
  readonly events: Events;
  readonly health: StorageHealth;
  /** Run around every call, the first one outermost; they see the errors that clients see. */
  readonly interceptors?: readonly Interceptor[] | undefined;
}

/** What no field of a request knows is dropped while it is read: kept fields cost many times their bytes. */
const READING = { binaryOptions: { readUnknownFields: false } };

const SERVICES = [StreamService, StoreService, LeaseService, PresenceService, CursorService, Health];

/** All RPCs of the server, to be mounted in any Connect router; the limits of streams are shared by all routers. */
export function createRoutes(options: RoutesOptions): (router: ConnectRouter) => void {
  const { storage, openStores, limits, accounts, dedupeWindowMillis, shutdown, events, health } = options;
  const stores = new Stores({ openStores, shared: storage.shared, events, health });
  const interceptors = [...withErrors(events, options.interceptors ?? []), responseBudget];
  const admit = createAdmission({
    limits,
    server: accounts.server,
    toError(error) {
      events.report({ level: "warn", kind: "request-refused", message: error.message });
      return toConnectError(error);
    },
  });
  return (mounting) => {
    const router = withOptions(mounting, READING);
    const before = router.handlers.length;
    const status = statusRoutes(stores);
    for (const name of Object.keys(status) as (keyof typeof status)[]) {
      router.rpc(StreamService.method[name], status[name] as never, { interceptors });
    }
    router.service(StoreService, storeRoutes(storage, openStores, stores, dedupeWindowMillis, limits), {
      interceptors,
    });
    router.service(LeaseService, leaseRoutes(stores), { interceptors });
    router.service(CursorService, cursorRoutes(stores), { interceptors });
    presenceRoutes(router, stores, interceptors);
    router.service(Health, healthRoutes(new Set(SERVICES.map((service) => service.typeName)), health, shutdown), {
      interceptors,
    });
    opaqueRoutes(router, entryRoutes(stores), interceptors);
    reflectionRoutes(router, SERVICES, interceptors, shutdown);
    for (let i = before; i < router.handlers.length; i++) {
      router.handlers[i] = admit(withRequestReader(withRequestErrors(router.handlers[i], events)));
    }
  };
}

/** A router that mounts everything with these options too, in the same place. */
function withOptions(router: ConnectRouter, options: Partial<UniversalHandlerOptions>): ConnectRouter {
  return {
    handlers: router.handlers,
    service(service, implementation, own) {
      router.service(service, implementation, { ...options, ...own });
      return this;
    },
    rpc(method, implementation, own) {
      router.rpc(method, implementation, { ...options, ...own });
      return this;
    },
  };
}
