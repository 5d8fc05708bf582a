import { type Frame, FrameKind } from "@streamkit/protocol/transport";
import type { Implementation } from "../routes/implementations.ts";
import { unreadable } from "../routes/reading/refusal.ts";
import type { CallHost, SocketCall } from "./call.ts";
import type { SocketContext } from "./context.ts";
import { RequestBytes } from "./request-bytes.ts";

/** A frame of a request, and the message that it completes. */
interface Arrived {
  readonly frame: Frame;
  readonly message: Uint8Array | undefined;
}

/**
 * A call whose caller is being checked. It keeps the frames that arrive meanwhile, for the call that takes its place.
 * The credit of the client, and the account of the connection, bound their bytes.
 */
export class AdmittingCall implements SocketCall {
  readonly id: number;
  readonly isSingle: boolean;
  readonly #context: SocketContext;
  readonly #bytes: RequestBytes;
  #first: Uint8Array | undefined;
  readonly #arrived: Arrived[] = [];
  #complete = false;

  constructor(id: number, host: CallHost, { path, method }: Implementation, context: SocketContext) {
    this.id = id;
    this.isSingle = method.methodKind === "unary" || method.methodKind === "server_streaming";
    this.#context = context;
    this.#bytes = new RequestBytes(host.admission, host.account, path);
    context.onLate((error) => host.refuse(this, error));
  }

  /** @throws ConnectError OVERLOADED */
  start(message: Uint8Array | undefined): void {
    if (message === undefined) return;
    this.#bytes.add(message.length);
    this.#first = message;
    this.#complete = this.isSingle;
  }

  get takesMessages(): boolean {
    return !this.#complete;
  }

  get metadata() {
    return this.#context;
  }

  receive(frame: Frame, message: Uint8Array | undefined): void {
    if (this.#complete) throw unreadable("a message follows the end of the request");
    this.#bytes.take(frame);
    this.#arrived.push({ frame, message });
    if (message !== undefined && this.isSingle) this.#complete = true;
  }

  halfClose(): void {
    if (this.#complete) return;
    this.#complete = true;
    this.#arrived.push({ frame: { kind: FrameKind.HALF_CLOSE, call: this.id, payload: EMPTY }, message: undefined });
  }

  sent(): void {}

  end(): void {
    this.#bytes.release();
    this.#context.cancel();
  }

  /**
   * Gives everything that has arrived to the call that takes the place of this one.
   *
   * @param isOpen tells whether the other call still runs
   * @throws ConnectError that fails the other call
   */
  handOver(call: SocketCall & { start(message: Uint8Array | undefined): void }, isOpen: () => boolean): void {
    this.#bytes.release();
    call.start(this.#first);
    for (const { frame, message } of this.#arrived) {
      if (!isOpen()) return;
      if (frame.kind === FrameKind.HALF_CLOSE) call.halfClose();
      else call.receive(frame, message);
    }
  }
}

const EMPTY = new Uint8Array(0);
