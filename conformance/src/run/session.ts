import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ProduceRequest } from "@streamkit/protocol";
import {
  type Observation,
  type Operation,
  OperationSchema,
  type Protocol,
  type Request,
  RequestSchema,
} from "@streamkit/protocol/conformance";
import type { ClientFactory, ClientUnderTest } from "../client/client-under-test.ts";
import { LiveCall } from "./live-call.ts";
import type { Trace } from "./trace.ts";

/** Where a session finds the server. Asked again before each operation: a restart may have moved it. */
export interface Address {
  readonly url: string;
  readonly token: string;
  readonly protocol: Protocol;
  /** Changes with every restart, so that actors connect anew. */
  readonly generation: number;
}

/** One client under test in the hands of the runner: numbers operations, sorts observations, keeps the trace. */
export class Session {
  readonly trace: Trace;
  readonly #address: () => Address;
  readonly #calls = new Map<bigint, LiveCall>();
  readonly #actors = new Map<string, number>();
  #client!: ClientUnderTest;
  #last = 0n;

  private constructor(address: () => Address, trace: Trace) {
    this.#address = address;
    this.trace = trace;
  }

  static async open(factory: ClientFactory, address: () => Address, trace: Trace): Promise<Session> {
    const session = new Session(address, trace);
    session.#client = await factory((observation) => session.#observe(observation));
    return session;
  }

  /** Starts a call; connects the actor first where that is due. */
  async call(
    actor: string,
    request: Request,
    options: { hold?: boolean; deadlineMillis?: number } = {},
  ): Promise<LiveCall> {
    await this.#connected(actor);
    const deadline = options.deadlineMillis === undefined ? undefined : durationFromMs(options.deadlineMillis);
    return this.#start(actor, {
      case: "call",
      value: { $typeName: "streamkit.conformance.v1.Call", request, hold: options.hold ?? false, deadline },
    });
  }

  send(call: LiveCall, request: ProduceRequest): void {
    this.#start("", {
      case: "send",
      value: { $typeName: "streamkit.conformance.v1.Send", callId: call.id, request },
    });
  }

  closeSend(call: LiveCall): void {
    this.#start("", { case: "closeSend", value: { $typeName: "streamkit.conformance.v1.CloseSend", callId: call.id } });
  }

  cancel(call: LiveCall): void {
    this.#start("", { case: "cancel", value: { $typeName: "streamkit.conformance.v1.Cancel", callId: call.id } });
  }

  resume(call: LiveCall): void {
    this.#start("", { case: "resume", value: { $typeName: "streamkit.conformance.v1.Resume", callId: call.id } });
  }

  /** A request without fields that need checking, for the runner's own purposes. */
  static request(message: Request["message"]): Request {
    return create(RequestSchema, { message });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #connected(actor: string): Promise<void> {
    const { url, token, protocol, generation } = this.#address();
    if (this.#actors.get(actor) === generation) return;
    this.#actors.set(actor, generation);
    const connect = this.#start(actor, {
      case: "connect",
      value: { $typeName: "streamkit.conformance.v1.Connect", url, token, protocol },
    });
    await connect.until(() => connect.ended, 10_000);
    if (connect.failure !== undefined) throw new Error(`${actor} cannot connect: ${connect.failure.message}`);
  }

  #start(actor: string, action: Operation["action"]): LiveCall {
    this.#last += 1n;
    const operation = create(OperationSchema, { id: this.#last, actor, action });
    const call = new LiveCall(operation.id);
    this.#calls.set(operation.id, call);
    this.trace.operation(operation);
    this.#client.perform(operation);
    return call;
  }

  #observe(observation: Observation): void {
    this.trace.observation(observation);
    const call = this.#calls.get(observation.operationId);
    if (observation.event.case === "response") call?.received(observation.event.value.message);
    if (observation.event.case === "end") call?.finished(observation.event.value.failure);
  }
}
