import { requirePackage } from "../../optional-package.ts";

/** The client library, as far as it is used. */
export type RedisClient = Pick<typeof import("ioredis"), "Redis" | "AbstractConnector">;

/** @throws Error that says what to install. */
export function loadClient(): RedisClient {
  return requirePackage("ioredis", "a bus over Redis");
}
