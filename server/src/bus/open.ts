import type { Bus } from "./port.ts";
import type { RemoteBusOptions } from "./remote/options.ts";

/**
 * Makes the bus that the scheme of the URL selects. Loads the code and the package of that bus only.
 *
 * @throws TypeError for a URL that fits no bus; the message holds no secret
 * @throws Error if the package of the bus is not installed
 */
export async function openBus(url: string, options: RemoteBusOptions): Promise<Bus> {
  switch (/^(\w+):/.exec(url)?.[1]) {
    case "redis":
    case "rediss":
      return (await import("./redis/index.ts")).redisBus(url, options);
    case "nats":
    case "tls":
      return (await import("./nats/index.ts")).natsBus(url, options);
    default:
      throw new TypeError("expected a URL that begins with redis://, rediss://, nats:// or tls://");
  }
}
