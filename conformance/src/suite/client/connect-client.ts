import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { type ProduceRequest, ProduceRequestSchema } from "@streamkit/protocol";
import {
  type Call,
  type Hello,
  HelloSchema,
  type Observation,
  ObservationSchema,
  type Operation,
  Protocol,
  type Response,
} from "@streamkit/protocol/conformance";
import { findRpc, isNamed } from "../corpus/rpc.ts";
import type { ClientUnderTest, Observer } from "./client-under-test.ts";
import { toFailure } from "./failure.ts";
import { Gate } from "./gate.ts";
import { SendQueue } from "./send-queue.ts";
import type { OpenTransport, TransportOpener } from "./transports.ts";

interface LiveCall {
  readonly abort: AbortController;
  readonly gate: Gate;
  readonly sends: SendQueue<ProduceRequest>;
}

/**
 * The generated Connect client as a client under test. Its requests and responses are exactly those on the wire: it
 * neither retries nor resumes.
 */
export class ConnectClient implements ClientUnderTest {
  readonly hello: Hello = create(HelloSchema, {
    client: "connect",
    capabilities: [
      "raw",
      "pages",
      "micros",
      "full_duplex",
      "hold",
      "deadline",
      "actors",
      "segment_status",
      "leases",
      "cursors",
      "presence",
      "renewals",
    ],
    protocols: [
      Protocol.IN_PROCESS,
      Protocol.CONNECT_H1,
      Protocol.CONNECT_H2,
      Protocol.GRPC,
      Protocol.GRPC_WEB,
      Protocol.CONNECT_JSON,
      Protocol.WEBSOCKET,
    ],
  });
  readonly #observe: Observer;
  readonly #open: TransportOpener;
  readonly #actors = new Map<string, OpenTransport>();
  readonly #calls = new Map<bigint, LiveCall>();

  /**
   * @param observe receives the observations
   * @param open opens the transport of an actor: `nodeTransports()` in Node.js
   */
  constructor(observe: Observer, open: TransportOpener) {
    this.#observe = observe;
    this.#open = open;
  }

  perform(operation: Operation): void {
    const { action } = operation;
    switch (action.case) {
      case "connect":
        this.#actors.get(operation.actor)?.close();
        this.#actors.set(operation.actor, this.#open(action.value));
        this.#end(operation.id);
        break;
      case "disconnect":
        this.#actors.get(operation.actor)?.close();
        this.#actors.delete(operation.actor);
        this.#end(operation.id);
        break;
      case "call":
        void this.#run(operation.id, operation.actor, action.value);
        break;
      case "send":
        this.#calls.get(action.value.callId)?.sends.push(action.value.request ?? create(ProduceRequestSchema));
        break;
      case "closeSend":
        this.#calls.get(action.value.callId)?.sends.end();
        break;
      case "cancel":
        this.#calls.get(action.value.callId)?.abort.abort();
        break;
      case "resume":
        this.#calls.get(action.value.callId)?.gate.open();
        break;
    }
  }

  async close(): Promise<void> {
    for (const call of this.#calls.values()) call.abort.abort();
    for (const actor of this.#actors.values()) actor.close();
  }

  async #run(id: bigint, actor: string, call: Call): Promise<void> {
    const live: LiveCall = { abort: new AbortController(), gate: new Gate(!call.hold), sends: new SendQueue() };
    this.#calls.set(id, live);
    try {
      const transport = this.#actors.get(actor)?.transport;
      if (transport === undefined) throw new Error(`the actor ${actor} is not connected`);
      const message = call.request!.message;
      const rpc = findRpc(message.case === "other" ? message.value.rpc : capitalised(message.case!));
      const deadline = call.deadline && Number(call.deadline.seconds) * 1_000 + call.deadline.nanos / 1e6;
      for await (const response of invoke(transport, rpc, message, live, deadline)) {
        this.#observe(observed(id, rpc, response));
        await live.gate.passed(live.abort.signal);
      }
      this.#end(id);
    } catch (error) {
      this.#observe(
        create(ObservationSchema, {
          operationId: id,
          event: { case: "end", value: { failure: toFailure(error) } },
        }),
      );
    } finally {
      this.#calls.delete(id);
    }
  }

  #end(id: bigint): void {
    this.#observe(create(ObservationSchema, { operationId: id, event: { case: "end", value: {} } }));
  }
}

async function* invoke(
  transport: Transport,
  rpc: DescMethod,
  message: NonNullable<Call["request"]>["message"],
  live: LiveCall,
  deadline: number | undefined,
): AsyncIterable<Message> {
  const { signal } = live.abort;
  const input = message.case === "other" ? decodeOther(rpc, message.value.request) : (message.value as Message);
  if (rpc.methodKind === "unary") {
    yield (await transport.unary(rpc as DescMethodUnary, signal, deadline, undefined, input)).message;
    return;
  }
  const requests = rpc.methodKind === "bidi_streaming" ? live.sends : createAsyncIterable([input]);
  yield* (await transport.stream(rpc as DescMethodStreaming, signal, deadline, undefined, requests)).message;
}

function decodeOther(rpc: DescMethod, bytes: Uint8Array): Message {
  return fromBinary(rpc.input, bytes);
}

function observed(id: bigint, rpc: DescMethod, response: Message): Observation {
  const message = isNamed(rpc)
    ? ({ case: rpc.localName, value: response } as Response["message"])
    : ({ case: "other", value: toBinary(rpc.output, response) } as const);
  return create(ObservationSchema, { operationId: id, event: { case: "response", value: { message } } });
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
