import { clone, create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { type ConnectError, ConnectError as ConnectErrorClass, type Transport } from "@connectrpc/connect";
import type {
  AppendRequest,
  AppendResponse,
  ConsumeRequest,
  ConsumeResponse,
  ConsumeSegmentRequest,
  ConsumeSegmentResponse,
  ConsumeSpaceRequest,
  ConsumeSpaceResponse,
  SubscribeToSegmentStatusRequest,
  SubscribeToSegmentStatusResponse,
  SubscribeToWorkersRequest,
  SubscribeToWorkersResponse,
} from "@streamkit/protocol";

export type ReadRequest = ConsumeSegmentRequest | ConsumeSpaceRequest | ConsumeRequest;
export type ReadResponse = ConsumeSegmentResponse | ConsumeSpaceResponse | ConsumeResponse;
export type WatchRequest = SubscribeToSegmentStatusRequest | SubscribeToWorkersRequest;
export type WatchResponse = SubscribeToSegmentStatusResponse | SubscribeToWorkersResponse;

/** The hooks of a deviation. Hooks may change requests and responses in place, because they are copies. */
export interface Bends {
  /**
   * Called before an append is sent. May return several requests, which are sent one after the other; the last result
   * counts.
   */
  append?(request: AppendRequest): AppendRequest[] | undefined;
  appended?(response: AppendResponse, request: AppendRequest): void;
  /** Called before any consume is sent. */
  read?(request: ReadRequest): void;
  /** Replaces the responses of a consume. */
  pages?(responses: AsyncIterable<ReadResponse>, request: ReadRequest): AsyncIterable<ReadResponse>;
  /** Replaces the responses of a subscription to statuses or workers. */
  events?(responses: AsyncIterable<WatchResponse>, request: WatchRequest): AsyncIterable<WatchResponse>;
  /** Replaces a unary call; `send` makes the call. */
  around?(rpc: string, request: Message, send: () => Promise<Message>): Promise<Message>;
  /** Called before any request is sent. `rpc` is the name of the RPC. */
  request?(rpc: string, message: Message): void;
  /** Called with every unary response except that of Append. */
  response?(rpc: string, message: Message, request: Message): void;
  /** Returns a response that replaces the server's; undefined keeps the server's. The request is sent in both cases. */
  instead?(rpc: string, message: Message, output: DescMessage): Message | undefined;
  /** Replaces any failure. */
  failure?(error: ConnectError, rpc: string): ConnectError;
}

/** A transport that behaves like `next` except for the hooks in `bends`. */
export function bentTransport(next: Transport, bends: Bends): Transport {
  const failing = (error: unknown, rpc: string): unknown => {
    const connectError = ConnectErrorClass.from(error);
    return bends.failure === undefined ? error : bends.failure(connectError, rpc);
  };
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const request = copied(method.input, input);
      bends.request?.(method.name, request);
      const replacement = bends.instead?.(method.name, request, method.output);
      const plain = (message: Message) =>
        next.unary(method, signal, timeoutMs, header, message as typeof input, contextValues);
      const call = (message: Message) => (bends.around === undefined ? plain(message) : around(message));
      /** A response that `around` invented has no headers. */
      const around = async (message: Message): ReturnType<typeof plain> => {
        let response: Awaited<ReturnType<typeof plain>> | undefined;
        const answer = await bends.around!(method.name, message, async () => {
          response = await plain(message);
          return response.message as Message;
        });
        const empty = { stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers() };
        return { ...(response ?? empty), message: answer } as never;
      };
      try {
        const requests = method.name === "Append" ? (bends.append?.(request as AppendRequest) ?? [request]) : [request];
        let response = await call(requests[0]);
        for (const each of requests.slice(1)) response = await call(each);
        if (replacement !== undefined) return { ...response, message: replacement as typeof response.message };
        if (method.name === "Append")
          bends.appended?.(response.message as unknown as AppendResponse, request as AppendRequest);
        else bends.response?.(method.name, response.message, request);
        return response;
      } catch (error) {
        throw failing(error, method.name);
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      let first: Message | undefined;
      const requests = async function* () {
        for await (const each of input) {
          const request = copied(method.input, each);
          bends.request?.(method.name, request);
          if (method.methodKind === "bidi_streaming") bends.append?.(request as AppendRequest);
          else if (!isWatch(method.name)) bends.read?.(request as ReadRequest);
          first ??= request;
          yield request as typeof each;
        }
      };
      const response = await next
        .stream(method, signal, timeoutMs, header, requests() as typeof input, contextValues)
        .catch((error: unknown) => {
          throw failing(error, method.name);
        });
      const messages = response.message as AsyncIterable<unknown> as AsyncIterable<ReadResponse & WatchResponse>;
      const bent = isWatch(method.name)
        ? bends.events?.(messages, first as WatchRequest)
        : method.methodKind === "bidi_streaming"
          ? undefined
          : bends.pages?.(messages, first as ReadRequest);
      return {
        ...response,
        message: caught<unknown>(bent ?? messages, (error) => failing(error, method.name)) as never,
      };
    },
  };
}

function isWatch(rpc: string): boolean {
  return rpc.startsWith("SubscribeTo");
}

/** Returns a new message from a message or its initial values. */
function copied(schema: DescMessage, input: unknown): Message {
  return clone(schema, create(schema, input as Message)) as Message;
}

async function* caught<T>(messages: AsyncIterable<T>, translate: (error: unknown) => unknown): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}
