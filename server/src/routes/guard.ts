import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { authorize, authorizeList } from "../access/authorize.ts";
import { principalKey, trustedKey } from "../access/gate.ts";
import type { Grants } from "../access/grants.ts";
import type { Principal } from "../access/principal.ts";
import { StreamEnd } from "../access/stream-end.ts";
import { type AccessPlan, accessPlan, type NamingFields, targetsOf } from "../access/targets.ts";
import { segmentOf } from "../engine/append/segment-append.ts";
import { checkUuid } from "../engine/names.ts";
import type { Implement } from "./implementations.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** The naming fields of a request, also in its opaque form: then an append is the bytes of a SegmentAppend. */
interface Named extends NamingFields {
  readonly appends?: readonly (Uint8Array | { readonly segment: string })[];
}

/**
 * Puts authorization around an implementation. Each message of a request is checked before the implementation gets it,
 * and a stream ends when the credentials of its principal do.
 *
 * @param method the public method
 * @param implement takes messages of the public method, or of its opaque form
 * @throws TypeError if the descriptors of the method do not tell how to authorize it
 */
export function guarded(method: DescMethod, implement: Implement): Implement {
  const plan = accessPlan(method);
  const isSingle = method.methodKind === "unary" || method.methodKind === "server_streaming";
  return (input: never, context) => {
    const principal = context.values.get(principalKey);
    if (principal === undefined) {
      if (plan.verb !== undefined && !context.values.get(trustedKey)) throw lostPrincipal();
      return implement(input, context);
    }
    const { grants } = principal;
    if (isSingle) check(plan, grants, input);
    const checked = isSingle ? input : (checkedEach(plan, grants, input) as never);
    if (method.methodKind === "unary" || !StreamEnd.isFor(principal)) return implement(checked, context);
    return untilEnd(principal, context, (limited) => implement(checked, limited));
  };
}

/** An interceptor of the application has replaced the context values of the call. */
function lostPrincipal(): Error {
  return new Error("the call has lost its principal: interceptors must pass the contextValues of the request on");
}

/** @throws ServerError PERMISSION_DENIED; INVALID_FIELD for a store id that is no UUID, because it names no store */
function check(plan: AccessPlan, grants: Grants, message: Named): void {
  const { rule, verb } = plan;
  // The list of stores shows only stores that the grants cover.
  if (verb === undefined || rule === "stores") return;
  checkUuid(message.storeId ?? "", "store_id");
  for (const target of targetsOf(plan, message)) {
    if (rule === "part") authorizeList(grants, verb, target);
    else if (message.appends === undefined || message.appends.length === 0) authorize(grants, verb, target);
    else if (!grants.allows(verb, target.store, target.space)) {
      for (const append of message.appends) authorize(grants, verb, { ...target, segment: nameOf(append) });
    }
  }
}

function nameOf(append: Uint8Array | { readonly segment: string }): string {
  return append instanceof Uint8Array ? segmentOf(append) : append.segment;
}

/** Checks each message of a session. A message that names no store or no space means those of the message before. */
async function* checkedEach(
  plan: AccessPlan,
  grants: Grants,
  messages: AsyncIterable<Message & Named>,
): AsyncGenerator<Message> {
  let storeId = "";
  let space = "";
  for await (const message of messages) {
    storeId = message.storeId || storeId;
    space = message.space || space;
    check(plan, grants, { ...message, storeId, space });
    yield message;
  }
}

/** Runs a stream until the credentials of its principal end; then it fails with TOKEN_EXPIRED. */
async function* untilEnd(
  principal: Principal,
  context: HandlerContext,
  run: (context: HandlerContext) => unknown,
): AsyncGenerator<unknown> {
  const end = new StreamEnd(principal);
  const release = () => end[Symbol.dispose]();
  // After a client went away, nobody may ask this generator for the next message.
  context.signal.addEventListener("abort", release, { once: true });
  const signal = AbortSignal.any([context.signal, end.signal]);
  let messages: AsyncIterator<unknown> | undefined;
  try {
    messages = (run(withSignal(context, signal)) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    for (;;) {
      end.signal.throwIfAborted();
      const result = await unlessAborted(messages.next(), end.signal);
      if (result.done === true) return;
      end.signal.throwIfAborted();
      yield result.value;
    }
  } catch (error) {
    throw end.signal.aborted ? end.signal.reason : error;
  } finally {
    context.signal.removeEventListener("abort", release);
    release();
    messages?.return?.().catch(() => undefined);
  }
}

function withSignal(context: HandlerContext, signal: AbortSignal): HandlerContext {
  const { method, service, requestMethod, timeoutMs, url, protocolName, values } = context;
  const { requestHeader, responseHeader, responseTrailer } = context;
  const own = { method, service, requestMethod, timeoutMs, url, protocolName, values };
  return { ...own, requestHeader, responseHeader, responseTrailer, signal };
}
