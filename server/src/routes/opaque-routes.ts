import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { StreamService } from "@streamkit/protocol";
import { opaqueMethod } from "@streamkit/protocol/wire";
import { withDirectResponses } from "./direct-response.ts";

type OpaqueMethods = typeof opaqueMethod;
type Name = keyof OpaqueMethods;
type In<N extends Name> = MessageShape<OpaqueMethods[N]["input"]>;
type Out<N extends Name> = MessageInitShape<OpaqueMethods[N]["output"]>;

/** Implementations of the RPCs that carry entries, with entries as encoded bytes. */
export interface OpaqueImplementation {
  append(request: In<"append">, context: HandlerContext): Promise<Out<"append">>;
  produce(requests: AsyncIterable<In<"produce">>, context: HandlerContext): AsyncIterable<Out<"produce">>;
  peek(request: In<"peek">, context: HandlerContext): Promise<Out<"peek">>;
  readSegment(request: In<"readSegment">, context: HandlerContext): Promise<Out<"readSegment">>;
  readSpace(request: In<"readSpace">, context: HandlerContext): Promise<Out<"readSpace">>;
  consumeSegment(request: In<"consumeSegment">, context: HandlerContext): AsyncIterable<Out<"consumeSegment">>;
  consumeSpace(request: In<"consumeSpace">, context: HandlerContext): AsyncIterable<Out<"consumeSpace">>;
  consume(request: In<"consume">, context: HandlerContext): AsyncIterable<Out<"consume">>;
}

/**
 * Mounts the RPCs that carry entries. Binary formats are served with opaque messages, so that entries pass through as
 * bytes; JSON is served with the public ones, translated through their common binary form.
 */
export function opaqueRoutes(
  router: ConnectRouter,
  implementation: OpaqueImplementation,
  interceptors: Interceptor[],
): void {
  for (const name of Object.keys(opaqueMethod) as Name[]) {
    const opaque = opaqueMethod[name];
    const typed = StreamService.method[name];
    // biome-ignore lint/suspicious/noExplicitAny: the table above types each pair; TypeScript cannot follow the loop
    const implement = (implementation[name] as any).bind(implementation);
    const toOpaque = translate(typed.input, opaque.input);
    const toTyped = translate(opaque.output, typed.output);
    const mountedBinary = mounted(router, () => router.rpc(opaque as never, implement as never, { interceptors }));
    const binary = opaque.output === typed.output ? mountedBinary : withDirectResponses(mountedBinary);
    const json = mounted(router, () => {
      const viaBinary = async (request: unknown, context: HandlerContext) =>
        toTyped(await implement(toOpaque(request), context));
      const viaBinaryStream = (request: unknown, context: HandlerContext) =>
        map(implement(toOpaque(request), context), toTyped);
      const viaBinaryBidi = (requests: AsyncIterable<unknown>, context: HandlerContext) =>
        map(implement(map(requests, toOpaque), context), toTyped);
      const byKind = { unary: viaBinary, server_streaming: viaBinaryStream, bidi_streaming: viaBinaryBidi };
      router.rpc(typed as never, byKind[typed.methodKind] as never, { interceptors });
    });
    router.handlers.push(byFormat(binary, json));
  }
}

/** Takes back the handler that `mount` adds to the router. */
function mounted(router: ConnectRouter, mount: () => void): UniversalHandler {
  mount();
  return router.handlers.pop() as UniversalHandler;
}

/** One handler for one path that looks at the format of the request. */
function byFormat(binary: UniversalHandler, json: UniversalHandler): UniversalHandler {
  const choose = (request: UniversalServerRequest) => {
    const contentType = request.header.get("content-type") ?? "";
    return (contentType.includes("json") ? json : binary)(request);
  };
  return Object.assign(choose, json);
}

function translate(from: DescMessage, to: DescMessage): (message: unknown) => unknown {
  if (from === to) return (message) => message;
  return (message) => fromBinary(to, toBinary(from, create(from, message as never)));
}

async function* map<A, B>(messages: AsyncIterable<A>, change: (message: A) => B): AsyncGenerator<B> {
  for await (const message of messages) yield change(message);
}
