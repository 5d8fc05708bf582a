import { requirePackage } from "../../optional-package.ts";

/** The part of the client library that the bus uses. */
export type NatsClient = Pick<typeof import("@nats-io/transport-node"), "connect">;

/** @throws Error if the package is not installed; the message names it */
export function loadClient(): NatsClient {
  return requirePackage("@nats-io/transport-node", "a bus over NATS");
}
