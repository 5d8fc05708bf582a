/**
 * A bus over the publish/subscribe of Redis, for instances that share a storage. Needs the package `ioredis`.
 *
 * @packageDocumentation
 */
import type { Bus } from "../port.ts";
import { RemoteBus } from "../remote/bus.ts";
import { checkOptions, type RemoteBusOptions } from "../remote/options.ts";
import { loadClient } from "./client.ts";
import { RedisLink } from "./link.ts";
import { parseUrl } from "./url.ts";

export type RedisBusOptions = RemoteBusOptions;

/**
 * A bus over Redis, or over a server that speaks its protocol. The URL is `redis://[user:password@]host[:port]`, or
 * `rediss://` for TLS. The bus connects in the background, and reconnects after every lost connection until it is
 * closed. No call waits for a connection.
 *
 * @throws TypeError for a URL or options that it cannot use; the message holds no secret
 * @throws Error if ioredis, an optional peer dependency, is not installed
 */
export function redisBus(url: string, options: RedisBusOptions = {}): Bus {
  const address = parseUrl(url);
  const checked = checkOptions(options);
  const client = loadClient();
  const name = `Redis at ${address.location}`;
  return new RemoteBus(
    "redis",
    address.location,
    [{ name, open: (events) => new RedisLink(client, address, name, checked.prefix, events) }],
    checked,
  );
}
