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
import type { ServerControl, ServerUnderTest } from "../server/server-under-test.ts";
import { LiveCall } from "./live-call.ts";
import type { Trace } from "./trace.ts";

/** The server that a session calls, and the way to call it. */
export interface Target {
  /** The instances of the server: one, or several on the same data. */
  readonly instances: readonly ServerUnderTest[];
  readonly token: string;
  readonly protocol: Protocol;
  /** Returns the token of an actor; empty for none. Absent: `token` for every actor. */
  readonly tokenOf?: (actor: string) => string;
}

/**
 * One client under test, driven by the runner. The session numbers operations, assigns observations to calls and keeps
 * the trace.
 *
 * If the server has several instances, calls go to them in turn, so that the effects that a call must see come from
 * another instance. Towards the client, an actor of a case is then one actor per instance: "main@1" and "main@2". The
 * client under test need not know about instances, and the trace shows which instance each call went to.
 */
export class Session {
  readonly trace: Trace;
  readonly #target: Target;
  readonly #calls = new Map<bigint, LiveCall>();
  /** Connected actors, with the generation of the server that each is connected to. */
  readonly #actors = new Map<string, number>();
  #client!: ClientUnderTest;
  #last = 0n;
  #turns = 0;

  private constructor(target: Target, trace: Trace) {
    this.#target = target;
    this.trace = trace;
  }

  static async open(factory: ClientFactory, target: Target, trace: Trace): Promise<Session> {
    const session = new Session(target, trace);
    session.#client = await factory((observation) => session.#observe(observation));
    return session;
  }

  /**
   * Returns the next instance in turn, for a call that does not use the client. The following call goes to the instance
   * after it.
   */
  takeTurn(): ServerUnderTest {
    this.#turns += 1;
    return this.#target.instances[this.#current];
  }

  /** Returns the token of an actor; empty for none. */
  tokenOf(actor: string): string {
    const { token, tokenOf } = this.#target;
    return tokenOf === undefined ? token : tokenOf(actor);
  }

  /** Acts on the instance that was called last; the others keep running. */
  async act(control: ServerControl): Promise<void> {
    const { instances } = this.#target;
    this.trace.note(instances.length === 1 ? `the server: ${control}` : `instance ${this.#current + 1}: ${control}`);
    await instances[this.#current].act(control);
  }

  /** Starts a call at the next instance in turn, or at a given one. Connects the actor first if necessary. */
  async call(
    actor: string,
    request: Request,
    options: { hold?: boolean; deadlineMillis?: number; instance?: number; keep?: number } = {},
  ): Promise<LiveCall> {
    if (options.instance === undefined) this.takeTurn();
    const { instances } = this.#target;
    const instance = options.instance ?? this.#current;
    const name = instances.length === 1 ? actor : `${actor}@${instance + 1}`;
    await this.#connected(name, instances[instance], this.tokenOf(actor));
    const deadline = options.deadlineMillis === undefined ? undefined : durationFromMs(options.deadlineMillis);
    const hold = options.hold ?? false;
    const value = { $typeName: "streamkit.conformance.v1.Call", request, hold, deadline } as const;
    return this.#start(name, { case: "call", value }, options.keep);
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

  /** Builds a request for the runner's own purposes, without checks of its fields. */
  static request(message: Request["message"]): Request {
    return create(RequestSchema, { message });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** Index of the instance that was called last; 0 before the first call. */
  get #current(): number {
    return Math.max(0, this.#turns - 1) % this.#target.instances.length;
  }

  async #connected(actor: string, { url, generation }: ServerUnderTest, token: string): Promise<void> {
    const { protocol } = this.#target;
    // A restart may have changed the server's address, and has closed its connections.
    if (this.#actors.get(actor) === generation) return;
    this.#actors.set(actor, generation);
    const connect = this.#start(actor, {
      case: "connect",
      value: { $typeName: "streamkit.conformance.v1.Connect", url, token, protocol },
    });
    await connect.until(() => connect.ended, 10_000);
    if (connect.failure !== undefined) throw new Error(`${actor} cannot connect: ${connect.failure.message}`);
  }

  #start(actor: string, action: Operation["action"], keep?: number): LiveCall {
    this.#last += 1n;
    const operation = create(OperationSchema, { id: this.#last, actor, action });
    const call = new LiveCall(operation.id, keep);
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
