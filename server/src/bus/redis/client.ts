import { requirePackage } from "../../optional-package.ts";

/** The part of the client library that the bus uses. */
export type RedisClient = Pick<typeof import("ioredis"), "Redis" | "AbstractConnector">;

/** @throws Error if the package is not installed; the message names it */
export function loadClient(): RedisClient {
  return requirePackage("ioredis", "a bus over Redis");
}
