import type { Message } from "@bufbuild/protobuf";
import type { Frame } from "@streamkit/protocol/transport";
import type { Account } from "../budgets/account.ts";
import { SMALL_BYTES } from "../budgets/admission.ts";
import { accountKey } from "../budgets/peer.ts";
import { acceptDirectResponses } from "../routes/direct-response.ts";
import type { Implementation, UnaryForm } from "../routes/implementations.ts";
import { readMessage } from "../routes/reading/read-message.ts";
import { unreadable } from "../routes/reading/refusal.ts";
import type { CallHost, SocketCall } from "./call.ts";
import type { SocketContext } from "./context.ts";
import { RequestBytes } from "./request-bytes.ts";
import { endResult, messageResult } from "./result-frames.ts";

/** A unary call: receives a message, runs, and is over. */
export class UnaryCall implements SocketCall {
  readonly id: number;
  readonly isSingle = true;
  readonly #host: CallHost;
  readonly #implementation: Implementation;
  readonly #form: UnaryForm;
  readonly #context: SocketContext;
  /** Counts for the connection, and for the principal of the call. */
  readonly #account: Account;
  readonly #bytes: RequestBytes;
  #state: "receiving" | "running" | "answered" | "over" = "receiving";
  /** Bytes of the answer that are counted until they have left. */
  #answerBytes = 0;

  constructor(id: number, host: CallHost, implementation: Implementation, form: UnaryForm, context: SocketContext) {
    this.id = id;
    this.#host = host;
    this.#implementation = implementation;
    this.#form = form;
    this.#context = context;
    this.#account = context.values.get(accountKey) ?? host.account;
    this.#bytes = new RequestBytes(host.admission, this.#account, implementation.path);
  }

  /** @param message the message of the request; undefined if it follows */
  start(message: Uint8Array | undefined): void {
    this.#context.onLate((error) => {
      if (this.#state === "receiving") this.#host.refuse(this, error);
    });
    if (message === undefined) {
      this.#bytes.expect(true, (error) => this.#host.refuse(this, error));
      return;
    }
    this.#bytes.add(message.length);
    this.#run(message);
  }

  get takesMessages(): boolean {
    return this.#state === "receiving";
  }

  get metadata() {
    return this.#context;
  }

  receive(frame: Frame, message: Uint8Array | undefined): void {
    if (this.#state !== "receiving") throw unreadable("the request has more than one message; this method takes one");
    this.#bytes.take(frame);
    if (message !== undefined) this.#run(message);
  }

  halfClose(): void {
    if (this.#state === "receiving") throw unreadable("the request has no message; this method takes one");
  }

  sent(): void {
    this.#account.give("responseBytes", this.#answerBytes);
    this.#answerBytes = 0;
  }

  end(): void {
    if (this.#state === "answered") this.#context.stop();
    else this.#context.cancel();
    this.#state = "over";
    this.#bytes.release();
    this.sent();
  }

  #run(bytes: Uint8Array): void {
    this.#bytes.arrived();
    const request = readMessage(this.#implementation, bytes, "binary");
    this.#state = "running";
    void this.#answer(request);
  }

  async #answer(request: Message): Promise<void> {
    try {
      const direct = this.#implementation.direct ? acceptDirectResponses(this.#context.values) : undefined;
      const answer = await this.#form.call(request, this.#context);
      this.#succeed(direct?.() ?? this.#form.encode(answer));
    } catch (error) {
      if (this.#state === "running") this.#state = "answered";
      this.#host.fail(this, error);
    }
  }

  #succeed(message: Uint8Array): void {
    if (this.#state === "over") return;
    const result = messageResult(this.id, message, this.#context);
    if (message.length > SMALL_BYTES) {
      this.#answerBytes = message.length;
      this.#account.add("responseBytes", message.length);
    }
    this.#state = "answered";
    if (result !== undefined && this.#host.pay(this.id, message.length)) {
      this.#host.finish(this, result);
    } else {
      this.#host.send(this.id, message);
      this.#host.finish(this, endResult(this.id, this.#context));
    }
  }
}
