import {
  create,
  type DescMessage,
  isMessage,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type OpaqueAppendRequest, OpaqueAppendRequestSchema } from "@streamkit/protocol/wire";
import { FieldWriter, fieldBytes } from "./field-writer.ts";

// Tags of streamkit.internal.v1.OpaqueAppendRequest: field number << 3 | wire type.
const TAG_STORE_ID = 0x0a;
const TAG_SPACE = 0x12;
const TAG_APPENDS = 0x1a;
const TAG_TRANSACTION_ID = 0x22;

type AppendFields = Required<Pick<OpaqueAppendRequest, "storeId" | "space" | "appends" | "transactionId">>;

/** Encodes a message. Appends, which are the most frequent ones, take a short way to the same bytes. */
export function encodeMessage<D extends DescMessage>(schema: D, input: MessageInitShape<D>): Uint8Array {
  if ((schema as DescMessage) === OpaqueAppendRequestSchema && isPlainAppend(input)) return encodeAppend(input);
  const message = isMessage(input, schema) ? (input as MessageShape<D>) : create(schema, input);
  return toBinary(schema, message);
}

/** True for an append with all of its fields and no unknown ones. */
function isPlainAppend(input: object): input is AppendFields {
  const { storeId, space, appends, transactionId, $unknown } = input as Partial<OpaqueAppendRequest>;
  return (
    typeof storeId === "string" &&
    typeof space === "string" &&
    typeof transactionId === "string" &&
    Array.isArray(appends) &&
    $unknown === undefined
  );
}

function encodeAppend({ storeId, space, appends, transactionId }: AppendFields): Uint8Array {
  // Texts are ASCII as a rule; the buffer grows for others.
  let bytes = 48 + storeId.length + space.length + transactionId.length;
  for (const append of appends) bytes += fieldBytes(append.length);
  const writer = new FieldWriter(bytes);
  if (storeId !== "") writer.text(TAG_STORE_ID, storeId);
  if (space !== "") writer.text(TAG_SPACE, space);
  for (const append of appends) writer.bytes(TAG_APPENDS, append);
  if (transactionId !== "") writer.text(TAG_TRANSACTION_ID, transactionId);
  return writer.finish();
}
