import type {
  DescMessage,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

/** How calls are made: over what, and how long a unary attempt may take. */
export interface CallSettings {
  readonly transport: Transport;
  /** Longest unary attempt, in milliseconds. */
  readonly timeoutMillis: number;
}

/** One attempt of a unary call. */
export async function callUnary<I extends DescMessage, O extends DescMessage>(
  settings: CallSettings,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal: AbortSignal | undefined,
): Promise<MessageShape<O>> {
  const response = await settings.transport.unary(method, signal, settings.timeoutMillis, undefined, request);
  return response.message;
}

/** One attempt of a streaming call, each response mapped. */
export async function* callStream<I extends DescMessage, O extends DescMessage, R>(
  settings: CallSettings,
  method: DescMethodStreaming<I, O>,
  requests: AsyncIterable<MessageInitShape<I>>,
  signal: AbortSignal,
  map: (response: MessageShape<O>) => R,
): AsyncGenerator<R, void, undefined> {
  const response = await settings.transport.stream(method, signal, undefined, undefined, requests);
  for await (const message of response.message) yield map(message);
}

/** An async iterable of one value. */
export async function* only<T>(value: T): AsyncGenerator<T, void, undefined> {
  yield value;
}
