import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { type Admission, type Entrance, refusalKey } from "../budgets/admission.ts";
import type { Events } from "../events.ts";
import { reasonOf, toConnectError } from "./connect-error.ts";
import { withDirectResponses } from "./direct-response.ts";
import { withRequestErrors } from "./error-interceptor.ts";
import type { Implementation, Implementations, StreamForm, UnaryForm } from "./implementations.ts";
import { READING } from "./reading/read-message.ts";
import { withRequestReader } from "./reading/read-request.ts";

export interface MountOptions {
  readonly implementations: Implementations;
  /** Admits calls. All ways in share it. */
  readonly admission: Admission;
  readonly events: Events;
  readonly entrance: Entrance;
}

/** Returns a function that mounts all RPCs in a Connect router. All routers share the gate and the limits. */
export function createRoutes(options: MountOptions): (router: ConnectRouter) => void {
  const { implementations, admission, events, entrance } = options;
  const repaired = (handler: UniversalHandler) => withRequestReader(withRequestErrors(handler, events));
  return (router) => {
    for (const implementation of implementations.values()) {
      const handler = repaired(handlerOf(router, implementation));
      const refusing = admission.gate ? repaired(refusingHandler(router, implementation, events)) : handler;
      router.handlers.push(admission.wrap(handler, refusing, entrance));
    }
  };
}

/**
 * Creates a handler that answers every call with its refusal, in the protocol of the call. It reads no body. A gate of
 * the router itself, which belongs to the application, remains with the handlers that answer calls.
 */
function refusingHandler(router: ConnectRouter, { json }: Implementation, events: Events): UniversalHandler {
  const requestGate = ({ values, protocolName, method }: HandlerContext) => {
    const refusal = toConnectError(values.get(refusalKey));
    const reason = reasonOf(refusal);
    // `withRequestErrors` counts the failures of all other protocols.
    const isCounted = protocolName !== "connect" || method.methodKind === "unary";
    if (reason !== undefined && !isCounted) events.refused(reason);
    throw refusal;
  };
  router.rpc(json.method as never, json.implement as never, { ...READING, requestGate });
  return router.handlers.pop() as UniversalHandler;
}

/**
 * Creates the handler of one RPC with Connect. If the formats have different messages, the handler chooses by the
 * format of the request.
 */
function handlerOf(router: ConnectRouter, { binary, json, direct, interceptors }: Implementation): UniversalHandler {
  const mounted = ({ method, implement }: UnaryForm | StreamForm) => {
    router.rpc(method as never, implement as never, { ...READING, interceptors: [...interceptors] });
    return router.handlers.pop() as UniversalHandler;
  };
  const mountedBinary = mounted(binary);
  const handler = direct ? withDirectResponses(mountedBinary) : mountedBinary;
  return json === binary ? handler : byFormat(handler, mounted(json));
}

/** Combines two handlers of one path into one that chooses by the format of the request. */
function byFormat(binary: UniversalHandler, json: UniversalHandler): UniversalHandler {
  const choose = (request: UniversalServerRequest) => {
    const contentType = request.header.get("content-type") ?? "";
    return (contentType.includes("json") ? json : binary)(request);
  };
  return Object.assign(choose, json);
}
