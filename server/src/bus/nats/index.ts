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
 * A bus over NATS. The URL is `nats://[user:password@ or token@]host[:port]`, or `tls://` to require TLS; commas
 * separate several servers of a cluster. The bus connects in the background, to the servers in turn, and reconnects
 * after every lost connection until it is closed. No call waits for a connection.
 *
 * @throws TypeError for a URL or options that it cannot use; the message holds no secret
 * @throws Error if @nats-io/transport-node, an optional peer dependency, is not installed
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
