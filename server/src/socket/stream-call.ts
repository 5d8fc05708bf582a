import { toBinary } from "@bufbuild/protobuf";
import type { Frame } from "@streamkit/protocol/transport";
import type { Account } from "../budgets/account.ts";
import { accountKey } from "../budgets/peer.ts";
import { acceptDirectResponses } from "../routes/direct-response.ts";
import type { Implementation, StreamForm } from "../routes/implementations.ts";
import { unreadable } from "../routes/reading/refusal.ts";
import type { CallHost, SocketCall } from "./call.ts";
import type { SocketContext } from "./context.ts";
import { RequestBytes } from "./request-bytes.ts";
import { RequestQueue } from "./request-queue.ts";
import { endResult, responseFrame } from "./result-frames.ts";

/**
 * A call that streams answers, or both ways. The implementation creates a message only after the previous one has left
 * for the socket, so a client that gives no credit costs one message.
 */
export class StreamCall implements SocketCall {
  readonly id: number;
  readonly isSingle: boolean;
  readonly #host: CallHost;
  readonly #implementation: Implementation;
  readonly #form: StreamForm;
  readonly #context: SocketContext;
  /** Counts for the connection, and for the principal of the call. */
  readonly #account: Account;
  readonly #bytes: RequestBytes;
  readonly #requests: RequestQueue;
  #stream: Disposable | undefined;
  /** True once the implementation has ended. */
  #answered = false;
  #over = false;
  /** Bytes of the message that waits to leave. */
  #sending = 0;
  #wake: (() => void) | undefined;

  constructor(id: number, host: CallHost, implementation: Implementation, form: StreamForm, context: SocketContext) {
    this.id = id;
    this.#host = host;
    this.#implementation = implementation;
    this.#form = form;
    this.#context = context;
    this.#account = context.values.get(accountKey) ?? host.account;
    this.isSingle = implementation.method.methodKind === "server_streaming";
    this.#bytes = new RequestBytes(host.admission, this.#account, implementation.path);
    this.#requests = new RequestQueue({
      implementation,
      bytes: this.#bytes,
      single: this.isSingle,
      onTaken: (messageBytes) => host.taken(id, messageBytes),
    });
  }

  /**
   * @param message the message of the request; undefined if it follows in other frames
   * @throws ConnectError OVERLOADED
   */
  start(message: Uint8Array | undefined): void {
    if (message !== undefined && !this.isSingle) {
      throw unreadable("REQUEST has a message; this method takes a stream of them, in MESSAGE, or in FIRST and NEXT");
    }
    this.#stream = this.#host.admission.openStream(this.#account);
    // A deadline also ends an implementation that waits for the client to read a message.
    this.#context.onLate(() => this.#wake?.());
    if (message === undefined) {
      this.#bytes.expect(this.isSingle, (error) => this.#requests.fail(error));
    } else {
      this.#bytes.add(message.length);
      this.#requests.add(message);
    }
    void this.#run();
  }

  get takesMessages(): boolean {
    return this.#requests.isOpen;
  }

  get metadata() {
    return this.#context;
  }

  receive(frame: Frame, message: Uint8Array | undefined): void {
    this.#requests.receive(frame, message);
  }

  halfClose(): void {
    this.#requests.end();
  }

  sent(): void {
    this.#account.give("responseBytes", this.#sending);
    this.#sending = 0;
    this.#wake?.();
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#answered) {
      this.#context.stop();
      this.#requests.close();
    } else {
      this.#requests.fail(this.#context.cancel());
    }
    this.#bytes.release();
    this.#stream?.[Symbol.dispose]();
    this.sent();
  }

  async #run(): Promise<void> {
    const form = this.#form;
    try {
      const direct = this.#implementation.direct ? acceptDirectResponses(this.#context.values) : undefined;
      let responded = false;
      for await (const message of form.call(this.#requests, this.#context)) {
        if (this.#over) return;
        if (!responded) this.#respond();
        responded = true;
        await this.#send(direct?.() ?? toBinary(form.method.output, message));
        if (this.#over) return;
      }
      this.#answered = true;
      if (this.#over) return;
      if (!responded) this.#respond();
      const { responseTrailer } = this.#context;
      this.#host.finish(this, endResult(this.id, { responseTrailer }));
    } catch (error) {
      this.#answered = true;
      this.#host.fail(this, error);
    }
  }

  #respond(): void {
    const frame = responseFrame(this.id, this.#context.responseHeader);
    if (frame !== undefined) this.#host.respond(this.id, frame);
  }

  /** Resolves when the message has left, the call has ended, or its deadline has passed. */
  #send(message: Uint8Array): Promise<void> {
    this.#sending = message.length;
    this.#account.add("responseBytes", message.length);
    this.#host.send(this.id, message);
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
