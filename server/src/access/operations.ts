import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { Operation, operation } from "@streamkit/protocol";

/** Operations of the standard services, whose proto files carry no option of ours. */
const STANDARD_SERVICES: Readonly<Record<string, Operation>> = {
  "grpc.health.v1.Health": Operation.NONE,
  "grpc.reflection.v1.ServerReflection": Operation.AUTHENTICATED,
  "grpc.reflection.v1alpha.ServerReflection": Operation.AUTHENTICATED,
};

/**
 * The operations of methods so far. The gate asks for each call, and Protobuf-ES decodes an option anew for each look:
 * 4 us with much garbage, more than all else that the gate does for a known token.
 */
const operations = new WeakMap<DescMethod, Operation>();

/**
 * Returns the operation that a caller of an RPC needs: the option `streamkit.v1.operation` of the method, or the rule
 * for a standard service.
 *
 * @throws TypeError for a method without either, so that no RPC is open by mistake
 */
export function operationOf(method: DescMethod): Operation {
  const known = operations.get(method);
  if (known !== undefined) return known;
  const needed = STANDARD_SERVICES[method.parent.typeName] ?? getOption(method, operation);
  if (needed !== Operation.UNSPECIFIED) {
    operations.set(method, needed);
    return needed;
  }
  throw new TypeError(`${method.parent.typeName}/${method.name} has no option (streamkit.v1.operation) in its proto`);
}
