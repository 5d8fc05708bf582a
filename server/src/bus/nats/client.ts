import { requirePackage } from "../../optional-package.ts";

/** The client library, as far as it is used. */
export type NatsClient = Pick<typeof import("@nats-io/transport-node"), "connect">;

/** @throws Error that says what to install. */
export function loadClient(): NatsClient {
  return requirePackage("@nats-io/transport-node", "a bus over NATS");
}
