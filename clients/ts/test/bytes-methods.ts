import {
  create,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { StreamService } from "@streamkit/protocol";

type Bytes = typeof BytesValueSchema;

/** A method of each kind whose messages are bytes and nothing else. */
export const bytesMethod = {
  unary: method("append") as DescMethodUnary<Bytes, Bytes>,
  serverStreaming: method("consumeSegment") as DescMethodServerStreaming<Bytes, Bytes>,
  bidi: method("produce") as DescMethodBiDiStreaming<Bytes, Bytes>,
};

function method(name: "append" | "consumeSegment" | "produce"): unknown {
  return { ...StreamService.method[name], input: BytesValueSchema, output: BytesValueSchema };
}

/** A message as it travels. */
export function encoded(value: Uint8Array): Uint8Array {
  return toBinary(BytesValueSchema, create(BytesValueSchema, { value }));
}

/** The value of a message that has travelled. */
export function decoded(message: Uint8Array): Uint8Array {
  return fromBinary(BytesValueSchema, message).value;
}
