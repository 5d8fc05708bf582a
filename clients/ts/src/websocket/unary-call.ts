import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryResponse } from "@connectrpc/connect";
import { errorOfStatus, type Header, type ReadResult, toHeaders } from "./answers.ts";
import { Call, type CallStart } from "./call.ts";
import { decode } from "./wire.ts";

/** A call with one request and one answer. */
export class UnaryCall<I extends DescMessage, O extends DescMessage> extends Call {
  /** Settled with the answer. */
  readonly response: Promise<UnaryResponse<I, O>>;
  readonly #method: DescMethodUnary<I, O>;
  #resolve!: (response: UnaryResponse<I, O>) => void;
  #reject!: (error: unknown) => void;
  #message: Uint8Array | undefined;

  constructor(method: DescMethodUnary<I, O>, start: CallStart) {
    super(start);
    this.#method = method;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  override onMessage(message: Uint8Array): void {
    if (this.#message === undefined) this.#message = message;
    else this.cancel(new ConnectError("the answer has a second message", Code.Internal));
  }

  protected override begun(): void {}

  protected override ended({ message = this.#message, rest }: ReadResult): void {
    const { headers, trailers } = this;
    if (rest?.status !== undefined) {
      this.#reject(errorOfStatus(rest.status, headers, trailers));
      return;
    }
    if (message === undefined) {
      this.#reject(new ConnectError("the answer has no message", Code.Internal));
      return;
    }
    try {
      this.#resolve(new UnaryAnswer(this.#method, decode(this.#method.output, message), headers, trailers));
    } catch (thrown) {
      this.#reject(thrown);
    }
  }

  protected override failed(error: unknown): void {
    this.#reject(error);
  }
}

/** An answer that makes its headers at the first access: few callers look, and these objects cost more than a call. */
class UnaryAnswer<I extends DescMessage, O extends DescMessage> {
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #headers: readonly Header[];
  readonly #trailers: readonly Header[];
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    headers: readonly Header[],
    trailers: readonly Header[],
  ) {
    this.method = method;
    this.message = message;
    this.#headers = headers;
    this.#trailers = trailers;
  }

  get service() {
    return this.method.parent;
  }

  get header(): Headers {
    this.#header ??= toHeaders(this.#headers);
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= toHeaders(this.#trailers);
    return this.#trailer;
  }
}
