import type { Interceptor } from "@connectrpc/connect";
import { CursorService, LeaseService, PresenceService, StoreService, StreamService } from "@streamkit/protocol";
import { Health } from "@streamkit/protocol/health";
import type { ServerLimits } from "../budgets/limits.ts";
import { responseBudget } from "../budgets/response-budget.ts";
import type { OpenStores } from "../engine/open-stores.ts";
import type { Events } from "../events.ts";
import type { StorageHealth } from "../health.ts";
import type { Storage } from "../storage/port.ts";
import { cursorRoutes } from "./cursor-routes.ts";
import { entryRoutes } from "./entry-routes.ts";
import { unaryShell, withErrors } from "./error-interceptor.ts";
import { guarded } from "./guard.ts";
import { healthRoutes } from "./health.ts";
import { type Implement, type Implementations, Registry } from "./implementations.ts";
import { leaseRoutes } from "./lease-routes.ts";
import { opaqueRoutes } from "./opaque-routes.ts";
import { presenceRoutes } from "./presence-routes.ts";
import { reflectionRoutes } from "./reflection.ts";
import { statusRoutes } from "./status-routes.ts";
import { storeRoutes } from "./store-routes.ts";
import { Stores } from "./stores.ts";

export interface RoutesOptions {
  readonly storage: Storage;
  readonly openStores: OpenStores;
  /** Limits of callers; GetServerInfo reports them to clients. */
  readonly limits: ServerLimits;
  readonly dedupeWindowMillis: number;
  /** True if calls have principals: then each message is authorized. */
  readonly authenticated: boolean;
  /** Aborted when the server begins to shut down. */
  readonly shutdown: AbortSignal;
  /** Receives failures of storage and defects; counts all other failures. */
  readonly events: Events;
  readonly health: StorageHealth;
  /** Interceptors of every call, the first one outermost. They see the errors that clients see. */
  readonly interceptors?: readonly Interceptor[] | undefined;
}

const SERVICES = [StreamService, StoreService, LeaseService, PresenceService, CursorService, Health];

/** Creates all RPCs of the server, for every way in. */
export function createImplementations(options: RoutesOptions): Implementations {
  const { storage, openStores, limits, dedupeWindowMillis, shutdown, events, health } = options;
  const stores = new Stores({ openStores, shared: storage.shared, events, health });
  const { interceptors = [] } = options;
  const shell = interceptors.length === 0 ? unaryShell(events) : undefined;
  const guard = options.authenticated ? guarded : undefined;
  const registry = new Registry([...withErrors(events, interceptors), responseBudget], shell, guard);
  const status = statusRoutes(stores);
  for (const name of Object.keys(status) as (keyof typeof status)[]) {
    registry.add({ method: StreamService.method[name], implement: status[name].bind(status) as Implement });
  }
  registry.addService(StoreService, storeRoutes(storage, openStores, stores, dedupeWindowMillis, limits));
  registry.addService(LeaseService, leaseRoutes(stores));
  registry.addService(CursorService, cursorRoutes(stores));
  presenceRoutes(registry, stores);
  registry.addService(Health, healthRoutes(new Set(SERVICES.map((service) => service.typeName)), health, shutdown));
  opaqueRoutes(registry, entryRoutes(stores));
  reflectionRoutes(registry, SERVICES, shutdown);
  return registry.implementations;
}
