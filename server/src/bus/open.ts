import type { Bus } from "./port.ts";
import type { RemoteBusOptions } from "./remote/options.ts";

/**
 * The bus that a URL asks for by its scheme. The code and the package for it are loaded then, not before.
 *
 * @throws TypeError for a URL that no bus takes, Error for a package that is missing; neither holds a secret.
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
