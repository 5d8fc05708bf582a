import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
} from "@bufbuild/protobuf";
import {
  OpaqueAppendRequestSchema,
  OpaqueConsumeResponseSchema,
  OpaqueMergedConsumeResponseSchema,
  OpaquePeekResponseSchema,
} from "../gen/streamkit/internal/v1/opaque_pb.js";
import { StreamService } from "../gen/streamkit/v1/stream_service_pb.js";

/**
 * The RPCs that carry entries, with entries as encoded bytes (proto/streamkit/internal/v1/opaque.proto). They have the
 * paths of the public RPCs and, in binary formats, the same bytes. They do not work with JSON.
 */
export const opaqueMethod = {
  append: unary(StreamService.method.append, OpaqueAppendRequestSchema, StreamService.method.append.output),
  produce: {
    ...StreamService.method.produce,
    input: OpaqueAppendRequestSchema,
    output: StreamService.method.produce.output,
  } as DescMethodBiDiStreaming<typeof OpaqueAppendRequestSchema, typeof StreamService.method.produce.output>,
  peek: unary(StreamService.method.peek, StreamService.method.peek.input, OpaquePeekResponseSchema),
  readSegment: unary(
    StreamService.method.readSegment,
    StreamService.method.readSegment.input,
    OpaqueConsumeResponseSchema,
  ),
  readSpace: unary(StreamService.method.readSpace, StreamService.method.readSpace.input, OpaqueConsumeResponseSchema),
  consumeSegment: serverStreaming(
    StreamService.method.consumeSegment,
    StreamService.method.consumeSegment.input,
    OpaqueConsumeResponseSchema,
  ),
  consumeSpace: serverStreaming(
    StreamService.method.consumeSpace,
    StreamService.method.consumeSpace.input,
    OpaqueConsumeResponseSchema,
  ),
  consume: serverStreaming(
    StreamService.method.consume,
    StreamService.method.consume.input,
    OpaqueMergedConsumeResponseSchema,
  ),
};

function unary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<DescMessage, DescMessage>,
  input: I,
  output: O,
): DescMethodUnary<I, O> {
  return { ...method, input, output };
}

function serverStreaming<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<DescMessage, DescMessage>,
  input: I,
  output: O,
): DescMethodServerStreaming<I, O> {
  return { ...method, input, output };
}
