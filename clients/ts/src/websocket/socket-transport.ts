import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { encodeMessage } from "../wire/encode-message.ts";
import type { Call } from "./call.ts";
import { Deadlines } from "./deadlines.ts";
import type { Dialer } from "./dialer.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { pathField, requestHeaders } from "./wire.ts";

/**
 * Calls over a socket. A call makes no AbortController, no timer and no headers of its own, which would cost more than
 * the call.
 */
export class SocketTransport implements Transport {
  readonly #dialer: Dialer;
  readonly #deadlines = new Deadlines();

  constructor(dialer: Dialer) {
    this.#dialer = dialer;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMillis: number | undefined,
    headers: HeadersInit | undefined,
    input: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    let call: UnaryCall<I, O>;
    try {
      const message = encodeMessage(method.input, input);
      call = new UnaryCall<I, O>(method, { ...this.#start(method, headers), message, signal, timeoutMillis });
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    this.#begin(call);
    return call.response;
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMillis: number | undefined,
    headers: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    const start = { ...this.#start(method, headers), signal, timeoutMillis };
    const requests = input[Symbol.asyncIterator]();
    if (method.methodKind !== "server_streaming") {
      const call = new StreamCall<I, O>(method, { ...start, message: undefined }, encoded(method.input, requests));
      this.#begin(call);
      return call.response;
    }
    const first = await requests.next();
    if (first.done) throw new ConnectError(`${method.name} takes one message, and got none`, Code.InvalidArgument);
    const message = encodeMessage(method.input, first.value);
    const call = new StreamCall<I, O>(method, { ...start, message }, undefined);
    this.#begin(call);
    return call.response;
  }

  #start(method: DescMethodUnary | DescMethodStreaming, headers: HeadersInit | undefined) {
    return { path: pathField(method), headers: requestHeaders(headers), deadlines: this.#deadlines };
  }

  #begin(call: Call): void {
    call.endIfDue();
    const { ready } = this.#dialer;
    if (ready !== undefined) call.begin(ready);
    else {
      this.#dialer.connect().then(
        (connection) => call.begin(connection),
        (thrown) => call.fail(thrown),
      );
    }
  }
}

function encoded<I extends DescMessage>(
  schema: I,
  inputs: AsyncIterator<MessageInitShape<I>>,
): AsyncIterator<Uint8Array, undefined> {
  return {
    async next() {
      const { done, value } = await inputs.next();
      return done ? { done, value: undefined } : { done: false, value: encodeMessage(schema, value) };
    },
    async return() {
      await inputs.return?.();
      return { done: true, value: undefined };
    },
  };
}
