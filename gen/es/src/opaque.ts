import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import {
  OpaqueAppendRequestSchema,
  OpaqueConsumeResponseSchema,
  OpaqueMergedConsumeResponseSchema,
  OpaquePeekResponseSchema,
} from "../gen/streamkit/internal/v1/opaque_pb.js";
import { StreamService } from "../gen/streamkit/v1/stream_service_pb.js";

const { method } = StreamService;

/**
 * The RPCs that carry entries, with entries as encoded bytes (proto/streamkit/internal/v1/opaque.proto). They have the
 * paths of the public RPCs and, in binary formats, the same bytes. They do not work with JSON.
 */
export const opaqueMethod = {
  append: retyped(method.append, OpaqueAppendRequestSchema, method.append.output),
  produce: retyped(method.produce, OpaqueAppendRequestSchema, method.produce.output),
  peek: retyped(method.peek, method.peek.input, OpaquePeekResponseSchema),
  readSegment: retyped(method.readSegment, method.readSegment.input, OpaqueConsumeResponseSchema),
  readSpace: retyped(method.readSpace, method.readSpace.input, OpaqueConsumeResponseSchema),
  consumeSegment: retyped(method.consumeSegment, method.consumeSegment.input, OpaqueConsumeResponseSchema),
  consumeSpace: retyped(method.consumeSpace, method.consumeSpace.input, OpaqueConsumeResponseSchema),
  consume: retyped(method.consume, method.consume.input, OpaqueMergedConsumeResponseSchema),
};

/** A method of the same kind with other messages. */
function retyped<K extends DescMethod["methodKind"], I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly methodKind: K },
  input: I,
  output: O,
) {
  return { ...method, input, output };
}
