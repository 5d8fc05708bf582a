import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { opaqueMethod } from "@streamkit/protocol/wire";
import { encodeAppendResponse } from "./append-response.ts";
import type { Implement, Registry } from "./implementations.ts";

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
 * Adds the RPCs that carry entries. Binary formats use opaque messages, so entries pass through as bytes. JSON uses the
 * public messages, translated through their common binary form.
 */
export function opaqueRoutes(registry: Registry, implementation: OpaqueImplementation): void {
  for (const name of Object.keys(opaqueMethod) as Name[]) {
    const opaque = opaqueMethod[name];
    const typed = StreamService.method[name];
    // biome-ignore lint/suspicious/noExplicitAny: the table above types each pair; TypeScript cannot follow the loop
    const implement = (implementation[name] as any).bind(implementation);
    const toOpaque = translate(typed.input, opaque.input);
    const toTyped = translate(opaque.output, typed.output);
    const viaBinary = async (request: unknown, context: HandlerContext) =>
      toTyped(await implement(toOpaque(request), context));
    const viaBinaryStream = (request: unknown, context: HandlerContext) =>
      map(implement(toOpaque(request), context), toTyped);
    const viaBinaryBidi = (requests: AsyncIterable<unknown>, context: HandlerContext) =>
      map(implement(map(requests, toOpaque), context), toTyped);
    const byKind = { unary: viaBinary, server_streaming: viaBinaryStream, bidi_streaming: viaBinaryBidi };
    registry.add({
      method: typed,
      implement: byKind[typed.methodKind] as Implement,
      opaque: { method: opaque, implement },
      direct: opaque.output !== typed.output,
      encode: name === "append" ? encodeAppendResponse : undefined,
    });
  }
}

function translate(from: DescMessage, to: DescMessage): (message: unknown) => unknown {
  if (from === to) return (message) => message;
  return (message) => fromBinary(to, toBinary(from, create(from, message as never)));
}

async function* map<A, B>(messages: AsyncIterable<A>, change: (message: A) => B): AsyncGenerator<B> {
  for await (const message of messages) yield change(message);
}
