import type { Frame } from "@streamkit/protocol/transport";
import type { Account } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";

/** A call of a socket from the view of its session. */
export interface SocketCall {
  readonly id: number;
  /** True if the method takes one message. */
  readonly isSingle: boolean;
  /** True while the call accepts messages or parts of them. */
  readonly takesMessages: boolean;
  /** Headers and trailers of an answer. */
  readonly metadata: { readonly responseHeader: Headers; readonly responseTrailer: Headers };
  /**
   * Accepts a frame of the request.
   *
   * @param message the message that this frame completes; undefined if it completes none
   * @throws ConnectError that fails the call
   */
  receive(frame: Frame, message: Uint8Array | undefined): void;
  /**
   * Ends the request: the client sends no more messages.
   *
   * @throws ConnectError that fails the call
   */
  halfClose(): void;
  /** Called when all messages that the call has given to its session have left. */
  sent(): void;
  /** Ends the call, with or without an answer. Stops its work and gives back all its resources. */
  end(): void;
}

/** The session of a call from the view of the call. */
export interface CallHost {
  readonly admission: Admission;
  readonly account: Account;
  /** Gives credit back for a request message that the implementation has consumed. */
  taken(call: number, messageBytes: number): void;
  /** Sends a message. The session calls `sent` when the message has left. */
  send(call: number, message: Uint8Array): void;
  /** Sends RESPONSE. */
  respond(call: number, frame: Uint8Array): void;
  /** Pays for a message inside RESULT. Returns false if the message needs its own frames. */
  pay(call: number, messageBytes: number): boolean;
  /** Sends RESULT after all messages of the call, and ends the call. */
  finish(call: SocketCall, result: Uint8Array): void;
  /** Ends a call with a failure of its implementation. That failure is already reported and counted. */
  fail(call: SocketCall, error: unknown): void;
  /** Ends a call with a failure from outside of its implementation, and counts the failure. */
  refuse(call: SocketCall, error: unknown): void;
}
