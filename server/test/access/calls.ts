import { create, type DescMessage, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import * as protocol from "@streamkit/protocol";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { Health } from "@streamkit/protocol/health";
import { v1, v1alpha } from "@streamkit/protocol/reflection";
import { KIND, type RawSocket, rawFrame, resultOf } from "../socket/raw-socket.ts";

export const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
export const SPACE = "orders";
export const SEGMENT = "order-17";

/** All RPCs of the server, from the descriptors. */
export const METHODS: readonly DescMethod[] = [
  ...Object.values(protocol).filter((item) => typeof item === "object" && "methods" in item),
  Health,
  v1.ServerReflection,
  v1alpha.ServerReflection,
].flatMap(({ methods }) => methods);

/** A value for each field that a call needs. */
const VALUES: Readonly<Record<string, unknown>> = {
  storeId: STORE,
  space: SPACE,
  segment: SEGMENT,
  appends: [{ segment: SEGMENT, records: [{ payload: new Uint8Array([1]) }] }],
  spaces: { [SPACE]: 0n },
  offsets: { [SPACE]: 1n },
  beforeSequence: 1n,
  key: "billing",
  holder: "worker-1",
  fencingToken: 1n,
  name: "reader",
  group: "pickers",
  workerId: "worker-1",
  messageRequest: { case: "listServices", value: "" },
};

/** A valid request of any RPC. */
export function requestOf(method: DescMethod): Message {
  const names = method.input.members.map(({ localName }) => localName);
  const init = Object.fromEntries(names.filter((name) => name in VALUES).map((name) => [name, VALUES[name]]));
  return create(method.input as DescMessage, init as never);
}

/** The parts of an answer that a caller sees. */
export interface Outcome {
  readonly code: string;
  readonly reason: string;
  readonly challenge: string | null;
  readonly text: string;
}

const OK: Outcome = { code: "ok", reason: "", challenge: null, text: "" };

/** Calls an RPC over a WebSocket once, and leaves a stream after its first message. */
export async function socketOutcome(
  socket: RawSocket,
  method: DescMethod,
  headers: readonly (readonly [string, string])[],
  request = requestOf(method),
): Promise<Outcome> {
  const path = `/${method.parent.typeName}/${method.name}`;
  const message = toBinary(method.input, request);
  const isBidi = method.methodKind === "bidi_streaming";
  const id = socket.request({ path, headers, ...(isBidi ? {} : { message }) });
  if (isBidi) socket.send(rawFrame(KIND.message, id, message), rawFrame(KIND.halfClose, id));
  await socket.until(() => socket.messages(id).length > 0 || socket.of(id, KIND.result).length > 0);
  const [frame] = socket.of(id, KIND.result);
  const result = frame && resultOf(frame.payload);
  if (result === undefined) socket.send(rawFrame(KIND.reset, id));
  if (result === undefined || result.code === 0) return OK;
  const [detail] = result.details;
  return {
    code: Code[result.code],
    reason: ErrorReason[detail === undefined ? 0 : fromBinary(ErrorDetailSchema, detail.value).reason],
    challenge: result.trailers.find(([name]) => name === "www-authenticate")?.[1] ?? null,
    text: result.text,
  };
}

/** Calls an RPC once, and leaves a stream after its first message. */
export async function outcomeOf(
  transport: Transport,
  method: DescMethod,
  headers: Readonly<Record<string, string>>,
  request = requestOf(method),
): Promise<Outcome> {
  const leave = new AbortController();
  // Heartbeats and empty followed streams come late; a stream without an error within this time is a good one.
  const patience = setTimeout(() => leave.abort(), 10_000);
  try {
    if (method.methodKind === "unary") {
      await transport.unary(method as never, leave.signal, undefined, headers, request);
      return OK;
    }
    const requests = (async function* () {
      yield request;
    })();
    const { message } = await transport.stream(method as never, leave.signal, undefined, headers, requests as never);
    for await (const _ of message) return OK;
    return OK;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return {
      code: Code[error.code],
      reason: ErrorReason[error.findDetails(ErrorDetailSchema)[0]?.reason ?? 0],
      challenge: error.metadata.get("www-authenticate"),
      text: error.rawMessage,
    };
  } finally {
    clearTimeout(patience);
    leave.abort();
  }
}
