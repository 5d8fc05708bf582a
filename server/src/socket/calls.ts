import { ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@streamkit/protocol";
import { type Frame, FrameError, FrameKind, Inbox } from "@streamkit/protocol/transport";
import { principalKey } from "../access/gate.ts";
import type { Account } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";
import { ServerError } from "../errors.ts";
import type { Events } from "../events.ts";
import { reasonOf, toConnectError, toRequestError } from "../routes/connect-error.ts";
import type { Implementation, Implementations } from "../routes/implementations.ts";
import { AdmittingCall } from "./admitting-call.ts";
import type { CallHost, SocketCall } from "./call.ts";
import { SocketContext, type UpgradeAccess } from "./context.ts";
import type { Header } from "./headers.ts";
import type { RequestPayload } from "./read-payload.ts";
import { errorResult } from "./result-frames.ts";
import type { Sender } from "./sender.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { headerProblem, unknownPath } from "./unreadable-request.ts";

/** The limit of a message depends on its method, so calls check it. */
const MAX_MESSAGE_BYTES = 2 ** 32 - 1;
/** Credit below this is given back together with later credit. */
const LEAST_CREDIT = 16_384;
const RETRY_AFTER_MILLIS = 1_000;

export interface CallsOptions {
  readonly implementations: Implementations;
  readonly admission: Admission;
  readonly events: Events;
  readonly account: Account;
  readonly sender: Sender;
  /** Most calls that may be open at the same time. */
  readonly maxCalls: number;
  /** The request that opened the socket, as authentication sees it. */
  readonly upgrade: UpgradeAccess;
  /** Called for each call with a principal. */
  readonly onPrincipal: () => void;
  /** Called when the last call has ended. */
  readonly onNone: () => void;
}

/** The open calls of one socket. */
export class Calls implements CallHost {
  readonly admission: Admission;
  readonly account: Account;
  readonly #options: CallsOptions;
  readonly #sender: Sender;
  readonly #inbox = new Inbox(MAX_MESSAGE_BYTES, LEAST_CREDIT);
  readonly #open = new Map<number, SocketCall>();
  /** Calls whose RESULT waits for messages without credit. */
  readonly #finished = new Set<number>();
  /** Id of the latest call. */
  #latest = 0;
  /** True once new calls are refused. */
  #stopped = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#sender = options.sender;
    this.admission = options.admission;
    this.account = options.account;
  }

  /** Number of open calls, including those whose answer has not left yet. */
  get size(): number {
    return this.#open.size;
  }

  /** Refuses new calls from now on. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Begins a call.
   *
   * @throws FrameError if the id is not above all earlier ones, or the message has no credit
   */
  begin(id: number, request: RequestPayload, socketHeaders: readonly Header[]): void {
    if (id <= this.#latest) throw new FrameError(`REQUEST has the id ${id}; expected one above ${this.#latest}`);
    this.#latest = id;
    // No implementation delays this message, so its credit is given back at once.
    if (request.message !== undefined) this.#inbox.pay(id, request.message.length);
    const implementation = this.#options.implementations.get(request.path);
    const refusal = this.#reasonToRefuse(request);
    if (refusal !== undefined || implementation === undefined) {
      this.#refuseUnopened(id, refusal ?? unknownPath(request.path));
      return;
    }
    const { path, binary } = implementation;
    const { upgrade } = this.#options;
    const context = new SocketContext({
      path,
      method: binary.method,
      account: this.account,
      socketHeaders,
      headers: request.headers.headers,
      upgrade,
      timeoutMillis: request.timeoutMillis,
    });
    let admitted: Account | Promise<Account>;
    try {
      admitted = this.admission.admit(context.values, context);
    } catch (error) {
      context.stop();
      this.#refuseUnopened(id, error);
      return;
    }
    if (admitted instanceof Promise) {
      const waiting = new AdmittingCall(id, this, implementation, context);
      this.#start(waiting, request.message);
      admitted.then(
        () => this.#admit(waiting, implementation, context),
        (error) => this.refuse(waiting, error),
      );
    } else {
      this.#start(this.#make(id, implementation, context), request.message);
    }
  }

  #make(id: number, implementation: Implementation, context: SocketContext): UnaryCall | StreamCall {
    if (this.admission.gate && context.values.get(principalKey)) this.#options.onPrincipal();
    const { binary } = implementation;
    return binary.kind === "unary"
      ? new UnaryCall(id, this, implementation, binary, context)
      : new StreamCall(id, this, implementation, binary, context);
  }

  #start(call: UnaryCall | StreamCall | AdmittingCall, message: Uint8Array | undefined): void {
    this.#open.set(call.id, call);
    this.#sender.outbox.open(call.id);
    try {
      call.start(message);
      if (call.takesMessages) this.#inbox.open(call.id);
    } catch (error) {
      this.refuse(call, error);
    }
  }

  /** Replaces a call whose caller was checked. The call may have ended meanwhile. */
  #admit(waiting: AdmittingCall, implementation: Implementation, context: SocketContext): void {
    const { id } = waiting;
    if (this.#open.get(id) !== waiting) return;
    const call = this.#make(id, implementation, context);
    this.#open.set(id, call);
    try {
      waiting.handOver(call, () => this.#open.get(id) === call && !this.#finished.has(id));
    } catch (error) {
      this.refuse(call, error);
    }
  }

  /**
   * Accepts a frame of a call: MESSAGE, FIRST, NEXT or HALF_CLOSE. Frames of ended calls have no effect.
   *
   * @throws FrameError if a frame is out of order, or a message has no credit
   */
  receive(frame: Frame): void {
    this.#checkUsed(frame);
    const { call: id, kind } = frame;
    const call = this.#open.get(id);
    if (kind === FrameKind.HALF_CLOSE) {
      if (this.#inbox.isReceiving(id)) throw new FrameError("HALF_CLOSE comes inside an unfinished message");
    }
    const message = kind === FrameKind.HALF_CLOSE ? undefined : this.#inbox.receive(frame);
    if (call === undefined || this.#finished.has(id)) return;
    try {
      if (kind === FrameKind.HALF_CLOSE) call.halfClose();
      else call.receive(frame, message);
      if (call.takesMessages) return;
      // The client needs no more credit for this call.
      if (call.isSingle) this.#inbox.close(id);
      else this.#inbox.discard(id);
    } catch (error) {
      this.refuse(call, error);
    }
  }

  /** Accepts RESET. */
  reset(frame: Frame): void {
    this.#checkUsed(frame);
    const call = this.#open.get(frame.call);
    if (call !== undefined) this.#end(call);
  }

  /** Accepts credit from the client. */
  give(frame: Frame, bytes: number): void {
    if (frame.call !== 0) this.#checkUsed(frame);
    this.#sender.outbox.give(frame.call, bytes);
    if (frame.call === 0 || this.#sender.outbox.waiting(frame.call) > 0) this.#sender.schedule();
  }

  /** Called when the last frame of a call has left. */
  emptied(id: number): void {
    const call = this.#open.get(id);
    if (this.#finished.delete(id)) {
      if (call !== undefined) this.#end(call);
    } else {
      call?.sent();
    }
  }

  /** Schedules the sending of the credit that is due. */
  giveCredits(): void {
    if (this.#inbox.hasCredits) this.#sender.schedule();
  }

  /** Adds frames that give credit back. */
  addCredits(): void {
    for (const frame of this.#inbox.credits()) this.#sender.outbox.control(frame);
  }

  /** Ends all calls, because the socket has ended. */
  endAll(): void {
    for (const call of [...this.#open.values()]) this.#end(call);
  }

  taken(id: number, messageBytes: number): void {
    this.#inbox.taken(id, messageBytes);
    this.giveCredits();
  }

  send(id: number, message: Uint8Array): void {
    this.#sender.outbox.send(id, message);
    this.#sender.schedule();
  }

  respond(id: number, frame: Uint8Array): void {
    this.#sender.outbox.frame(id, frame);
    this.#sender.schedule();
  }

  pay(id: number, messageBytes: number): boolean {
    return this.#sender.outbox.pay(id, messageBytes);
  }

  finish(call: SocketCall, result: Uint8Array): void {
    if (this.#open.get(call.id) !== call) return;
    this.#finished.add(call.id);
    this.#sender.outbox.frame(call.id, result, true);
    this.#sender.schedule();
  }

  fail(call: SocketCall, error: unknown): void {
    if (this.#open.get(call.id) !== call) return;
    if (!(error instanceof ConnectError)) {
      const message = "a call of a WebSocket failed because of a defect";
      this.#options.events.report({ level: "error", kind: "internal-error", message, cause: error });
    }
    const metadata = this.#open.get(call.id)?.metadata;
    this.#end(call);
    this.#sender.outbox.control(errorResult(call.id, toConnectError(error), metadata));
    this.#sender.schedule();
  }

  refuse(call: SocketCall, error: unknown): void {
    if (this.#open.get(call.id) === call) this.fail(call, this.#counted(error));
  }

  /** Returns a failure with the code and detail of the protocol, and counts its reason. */
  #counted(error: unknown): ConnectError {
    const translated = toRequestError(toConnectError(error));
    const reason = reasonOf(translated);
    if (reason !== undefined) this.#options.events.refused(reason);
    return translated;
  }

  #refuseUnopened(id: number, error: unknown): void {
    this.#sender.outbox.control(errorResult(id, this.#counted(error)));
    this.#sender.schedule();
  }

  #reasonToRefuse({ headers }: RequestPayload): Error | undefined {
    if (this.#stopped) return new ServerError(ErrorReason.SHUTTING_DOWN, "the server is shutting down");
    const { maxCalls, events } = this.#options;
    if (this.#open.size >= maxCalls) {
      const message = `this socket has ${this.#open.size} open calls; the limit is ${maxCalls}: end some calls, or use another socket`;
      events.report({ level: "warn", kind: "request-refused", message });
      return new ServerError(ErrorReason.OVERLOADED, message, { retryAfterMillis: RETRY_AFTER_MILLIS });
    }
    return headerProblem(headers);
  }

  #checkUsed({ call, kind }: Frame): void {
    if (call === 0 || call > this.#latest) throw new FrameError(`a frame of kind ${kind} has the unused id ${call}`);
  }

  #end(call: SocketCall): void {
    const { id } = call;
    this.#open.delete(id);
    this.#finished.delete(id);
    this.#inbox.close(id);
    this.#sender.outbox.close(id);
    call.end();
    this.giveCredits();
    if (this.#open.size === 0) this.#options.onNone();
  }
}
