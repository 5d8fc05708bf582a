import type { ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Admission } from "../budgets/admission.ts";
import type { Events } from "../events.ts";
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
}

/** Returns a function that mounts all RPCs in a Connect router. All routers share the limits of streams. */
export function createRoutes(options: MountOptions): (router: ConnectRouter) => void {
  const { implementations, admission, events } = options;
  return (router) => {
    for (const implementation of implementations.values()) {
      const handler = handlerOf(router, implementation);
      router.handlers.push(admission.wrap(withRequestReader(withRequestErrors(handler, events))));
    }
  };
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
