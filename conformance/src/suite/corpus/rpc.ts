import { create, type DescMethod, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { CursorService, LeaseService, PresenceService, StoreService, StreamService } from "@streamkit/protocol";
import { type Request, RequestSchema } from "@streamkit/protocol/conformance";

const SERVICES = [StreamService, StoreService, LeaseService, PresenceService, CursorService];

/**
 * Finds an RPC by "Method" or "Service.Method".
 *
 * @throws Error if the protocol has no such RPC
 */
export function findRpc(name: string): DescMethod {
  const [service, method] = name.includes(".") ? name.split(".") : [undefined, name];
  for (const candidate of SERVICES) {
    if (service !== undefined && candidate.name !== service) continue;
    const found = candidate.methods.find((each) => each.name === method);
    if (found !== undefined) return found;
  }
  throw new Error(`the protocol has no RPC ${name}`);
}

/** True if `Request` has a member for the RPC. All other RPCs travel as `OtherCall`. */
export function isNamed(rpc: DescMethod): boolean {
  return RequestSchema.oneofs[0].fields.some((field) => field.localName === rpc.localName);
}

/**
 * Returns the message that starts a call.
 *
 * @throws Error if `json` does not fit the request of the RPC, including unknown members
 */
export function startRequest(rpc: DescMethod, json: JsonObject): Request {
  if (rpc.localName === "produce") return create(RequestSchema, { message: { case: "produce", value: {} } });
  const request = fromJson(rpc.input, json);
  if (!isNamed(rpc)) {
    const other = { rpc: `${rpc.parent.name}.${rpc.name}`, request: toBinary(rpc.input, request) };
    return create(RequestSchema, { message: { case: "other", value: other } });
  }
  return create(RequestSchema, { message: { case: rpc.localName, value: request } as Request["message"] });
}
