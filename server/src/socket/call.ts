import type { Frame } from "@streamkit/protocol/transport";
import type { Account } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";

/** A call of a socket, as its session sees it. */
export interface SocketCall {
  readonly id: number;
  /** True if the method takes one message. */
  readonly isSingle: boolean;
  /** True if the call still takes messages, or parts of them. */
  readonly takesMessages: boolean;
  /** Headers and trailers of an answer. */
  readonly metadata: { readonly responseHeader: Headers; readonly responseTrailer: Headers };
  /**
   * Takes a frame of the request.
   *
   * @param message the message that is complete with it
   * @throws ConnectError that fails the call
   */
  receive(frame: Frame, message: Uint8Array | undefined): void;
  /**
   * The client sends no more messages.
   *
   * @throws ConnectError that fails the call
   */
  halfClose(): void;
  /** All messages that the call has given to its session have left. */
  sent(): void;
  /** Gives back all that the call holds, and ends its work: it is over, with or without an answer. */
  end(): void;
}

/** The session of a call, as the call sees it. */
export interface CallHost {
  readonly admission: Admission;
  readonly account: Account;
  /** Gives credit back for a message of a request that the implementation has taken. */
  taken(call: number, messageBytes: number): void;
  /** Sends a message. `sent` tells when it has left. */
  send(call: number, message: Uint8Array): void;
  /** Sends RESPONSE. */
  respond(call: number, frame: Uint8Array): void;
  /** Pays for a message inside RESULT; false if it has to be sent by itself. */
  pay(call: number, messageBytes: number): boolean;
  /** Sends RESULT behind all messages of the call, and ends the call. */
  finish(call: SocketCall, result: Uint8Array): void;
  /** Ends a call with a failure that its implementation has told: reported and counted already. */
  fail(call: SocketCall, error: unknown): void;
  /** Ends a call with a failure from outside of its implementation, and counts it. */
  refuse(call: SocketCall, error: unknown): void;
}
