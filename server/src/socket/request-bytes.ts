import { type Frame, FrameKind, leadingNumber } from "@streamkit/protocol/transport";
import type { Account } from "../budgets/account.ts";
import type { Admission } from "../budgets/admission.ts";
import { tooLarge } from "../routes/reading/refusal.ts";
import { maxRequestBytes } from "../routes/request-limits.ts";

/** Counts the request bytes of one call, and watches the deadline of the first message. */
export class RequestBytes {
  readonly #admission: Admission;
  readonly #account: Account;
  readonly #limit: number;
  #held = 0;
  #deadline: Disposable | undefined;

  constructor(admission: Admission, account: Account, path: string) {
    this.#admission = admission;
    this.#account = account;
    this.#limit = maxRequestBytes(path);
  }

  /** Starts the deadline of a message. `onLate` gets DEADLINE_EXCEEDED unless `arrived` is called in time. */
  expect(single: boolean, onLate: (error: Error) => void): void {
    this.#deadline = this.#admission.expect(single, onLate);
  }

  /** Ends the deadline, because the message has arrived. */
  arrived(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  /**
   * Counts the bytes of a frame.
   *
   * @throws ConnectError REQUEST_TOO_LARGE if a message begins that exceeds the limit of the method; OVERLOADED if the
   * account is full
   */
  take(frame: Frame): void {
    const total = frame.kind === FrameKind.FIRST ? leadingNumber(frame) : frame.payload.length;
    if (frame.kind !== FrameKind.NEXT && total > this.#limit) throw tooLarge(this.#limit, total);
    this.add(frame.payload.length);
  }

  /** @throws ConnectError OVERLOADED if the account is full */
  add(bytes: number): void {
    this.#admission.takeRequest(this.#account, bytes);
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
    this.#account.give("requestBytes", bytes);
  }

  /** Gives back all counted bytes. */
  release(): void {
    this.arrived();
    this.give(this.#held);
  }
}
