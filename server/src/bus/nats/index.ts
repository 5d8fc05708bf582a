/**
 * A bus over core NATS, for instances that share a storage. Needs the package `@nats-io/transport-node`.
 *
 * @packageDocumentation
 */
import type { Bus } from "../port.ts";
import { RemoteBus } from "../remote/bus.ts";
import type { Server } from "../remote/link.ts";
import { checkOptions, type RemoteBusOptions } from "../remote/options.ts";
import { loadClient } from "./client.ts";
import { NatsLink } from "./link.ts";
import { parseUrls } from "./url.ts";

export type NatsBusOptions = RemoteBusOptions;

/**
 * A bus over NATS: `nats://[user:password@ or token@]host[:port]`, or `tls://` to accept nothing but TLS; several
 * servers of a cluster separated by commas. Connects at once, and again whenever the connection is lost, to the servers
 * in turn, until it is closed; no call waits for it.
 *
 * @throws TypeError for a URL or options that cannot be used; it holds no secret.
 * @throws Error when @nats-io/transport-node, an optional peer dependency, is not installed.
 */
export function natsBus(url: string, options: NatsBusOptions = {}): Bus {
  const addresses = parseUrls(url);
  const checked = checkOptions(options);
  const client = loadClient();
  const servers = addresses.map((address): Server => {
    const name = `NATS at ${address.location}`;
    return { name, open: (events) => new NatsLink(client, address, name, checked.prefix, events) };
  });
  return new RemoteBus("nats", addresses.map(({ location }) => location).join(","), servers, checked);
}
