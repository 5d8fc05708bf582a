import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { CursorService, LeaseService, PresenceService } from "@streamkit/protocol";

/** Services that are part of the protocol and not of this version: every RPC answers UNIMPLEMENTED. */
const SERVICES: readonly DescService[] = [LeaseService, PresenceService, CursorService];

export function unbuiltRoutes(router: ConnectRouter, interceptors: Interceptor[]): void {
  for (const service of SERVICES) {
    const implementation: Record<string, () => unknown> = {};
    for (const method of service.methods) {
      const refuse = () => {
        throw new ConnectError(`${service.name} is not built in this version`, Code.Unimplemented);
      };
      // biome-ignore lint/correctness/useYield: a stream that only fails
      const refuseStream = async function* () {
        refuse();
      };
      implementation[method.localName] = method.methodKind === "unary" ? refuse : refuseStream;
    }
    router.service(service, implementation as never, { interceptors });
  }
}
