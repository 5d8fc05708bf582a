import { create, type DescMessage, type DescMethod, type Message } from "@bufbuild/protobuf";
import type {
  HandlerContext,
  Interceptor,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import type { UnaryShell } from "./error-interceptor.ts";
import type { Implement } from "./implementations.ts";
import { unreadable } from "./reading/refusal.ts";

/** The implementation of an RPC and the interceptors around it. */
interface Parts {
  readonly method: DescMethod;
  readonly implement: Implement;
  readonly interceptors: readonly Interceptor[];
  /** Replaces the interceptors of a unary call. Undefined if the application has interceptors. */
  readonly shell: UnaryShell | undefined;
}

type Run = ReturnType<Interceptor>;

/**
 * Answers one unary call as Connect's handlers do. Interceptors see the request, may replace its parts, and see the
 * response. Connect does not export its own version of this function (`invokeUnaryImplementation`).
 *
 * @throws the error of an interceptor or of the implementation
 */
export async function callUnary(parts: Parts, message: Message, context: HandlerContext): Promise<Message> {
  const { method, shell } = parts;
  if (shell !== undefined) {
    return shell(method, context, async () => toMessage(method.output, await invoke(parts, message, context)));
  }
  const answer = async (request: UnaryRequest) => {
    // An interceptor that passes the request on unchanged has added nothing, and its headers may not exist yet.
    const changed = request === own ? context : mergedContext(context, request);
    const result = await invoke(parts, request.message, changed);
    return { ...responseParts(parts, context), stream: false, message: toMessage(method.output, result) };
  };
  const run = intercepted(parts.interceptors, answer as unknown as Run);
  const own = {
    service: method.parent,
    method,
    requestMethod: context.requestMethod,
    url: context.url,
    get signal() {
      return context.signal;
    },
    get header() {
      return context.requestHeader;
    },
    contextValues: context.values,
    stream: false,
    message,
  } as UnaryRequest;
  const response = (await run(own)) as UnaryResponse;
  replaceHeaders(context.responseHeader, response.header);
  replaceHeaders(context.responseTrailer, response.trailer);
  return response.message;
}

/**
 * Answers one streaming call in the same way. Interceptors run before the first request is read.
 *
 * @throws ConnectError INVALID_FIELD if the method takes exactly one request and gets none or several; the error of an
 * interceptor or of the implementation
 */
export async function* callStream(
  parts: Parts,
  messages: AsyncIterable<Message>,
  context: HandlerContext,
): AsyncGenerator<Message, void, undefined> {
  const { method } = parts;
  const answer = async (request: StreamRequest) => {
    const input = method.methodKind === "server_streaming" ? await single(request.message) : request.message;
    const results = invoke(parts, input, mergedContext(context, request)) as AsyncIterable<object>;
    return { ...responseParts(parts, context), stream: true, message: toMessages(method.output, results) };
  };
  const run = intercepted(parts.interceptors, answer as unknown as Run);
  const request = { ...requestParts(parts, context), stream: true, message: messages } as StreamRequest;
  const response = (await run(request)) as StreamResponse;
  replaceHeaders(context.responseHeader, response.header);
  yield* response.message;
  replaceHeaders(context.responseTrailer, response.trailer);
}

function invoke({ implement }: Parts, input: unknown, context: HandlerContext): unknown {
  return implement(input as never, context);
}

function intercepted(interceptors: readonly Interceptor[], answer: Run): Run {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), answer);
}

function requestParts({ method }: Parts, context: HandlerContext) {
  const { requestMethod, url, signal, requestHeader: header, values: contextValues } = context;
  return { service: method.parent, method, requestMethod, url, signal, header, contextValues };
}

function responseParts({ method }: Parts, { responseHeader: header, responseTrailer: trailer }: HandlerContext) {
  return { service: method.parent, method, header, trailer };
}

/** Returns the context of the implementation, with the changes that interceptors made to the request. */
function mergedContext(context: HandlerContext, request: UnaryRequest | StreamRequest): HandlerContext {
  const { service, header, signal, contextValues } = request;
  const { method, requestMethod, timeoutMs, responseHeader, responseTrailer, url, protocolName } = context;
  const own = { method, requestMethod, timeoutMs, responseHeader, responseTrailer, url, protocolName };
  return { ...own, service, requestHeader: header, signal, values: contextValues };
}

/** Interceptors may return new headers instead of adding to those of the context. */
function replaceHeaders(target: Headers, source: Headers): void {
  if (source === target) return;
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.set(name, value);
}

async function single(messages: AsyncIterable<Message>): Promise<Message> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw unreadable("the request has no message; this method takes one");
  const second = await iterator.next();
  if (second.done !== true) throw unreadable("the request has more than one message; this method takes one");
  return first.value;
}

function toMessage(schema: DescMessage, value: unknown): Message {
  return create(schema, value as never);
}

async function* toMessages(schema: DescMessage, values: AsyncIterable<object>): AsyncGenerator<Message> {
  for await (const value of values) yield toMessage(schema, value);
}
