import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type ClientOptions, createStreamkitClient, describeTransport, type StreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { createWebSocketTransport } from "@streamkit/client/websocket";
import {
  type Call,
  type Connect,
  type Hello,
  HelloSchema,
  ObservationSchema,
  type Operation,
  Protocol,
  type Response,
} from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "./client-under-test.ts";
import { callSdk } from "./sdk-calls.ts";
import { sdkFailure } from "./sdk-wire.ts";

/** Options of the SDK for each `Protocol`. */
const OPTIONS: Readonly<Partial<Record<Protocol, Omit<Parameters<typeof createNodeTransport>[0], "baseUrl">>>> = {
  [Protocol.CONNECT_H1]: { protocol: "connect", httpVersion: "1.1" },
  [Protocol.CONNECT_H2]: { protocol: "connect", httpVersion: "2" },
  [Protocol.GRPC]: { protocol: "grpc", httpVersion: "2" },
  [Protocol.GRPC_WEB]: { protocol: "grpc-web", httpVersion: "2" },
  [Protocol.CONNECT_JSON]: { protocol: "connect", httpVersion: "2", json: true },
};

/**
 * The TypeScript SDK as a client under test: the view of an application, with retries and resumption. The SDK shows
 * entries and results but not the messages that carried them, so this client lacks the capability "raw".
 */
export class SdkClient implements ClientUnderTest {
  readonly hello: Hello = create(HelloSchema, {
    client: "@streamkit/client",
    capabilities: ["actors", "micros", "resume", "segment_status", "leases", "cursors", "presence", "pages"],
    protocols: [Protocol.IN_PROCESS, ...Object.keys(OPTIONS).map(Number), Protocol.WEBSOCKET],
  });
  readonly #observe: Observer;
  readonly #inProcess: ((url: string) => Transport) | undefined;
  readonly #actors = new Map<string, StreamkitClient>();
  readonly #calls = new Map<bigint, AbortController>();

  readonly #options: Pick<ClientOptions, "longPolling">;

  /**
   * @param observe receives the observations
   * @param inProcess finds a server in this process by its URL
   * @param options how the client differs from one with all defaults
   */
  constructor(
    observe: Observer,
    inProcess?: (url: string) => Transport,
    options: Pick<ClientOptions, "longPolling"> = {},
  ) {
    this.#observe = observe;
    this.#inProcess = inProcess;
    this.#options = options;
  }

  perform(operation: Operation): void {
    const { id, actor, action } = operation;
    switch (action.case) {
      case "connect":
        // The SDK finds the server again after a restart, so an actor keeps its client.
        if (!this.#actors.has(actor)) this.#actors.set(actor, this.#connect(action.value));
        this.#end(id, undefined);
        break;
      case "disconnect":
        this.#actors.delete(actor);
        this.#end(id, undefined);
        break;
      case "call":
        void this.#run(id, actor, action.value);
        break;
      case "cancel":
        this.#calls.get(action.value.callId)?.abort();
        break;
    }
  }

  async close(): Promise<void> {
    for (const call of this.#calls.values()) call.abort();
  }

  #connect(connect: Connect): StreamkitClient {
    const retry = { initialDelayMillis: 20, maxDelayMillis: 200, maxAttempts: 40 };
    if (connect.protocol !== Protocol.IN_PROCESS) {
      const transport =
        connect.protocol === Protocol.WEBSOCKET
          ? createWebSocketTransport({ baseUrl: connect.url })
          : createNodeTransport({ baseUrl: connect.url, ...OPTIONS[connect.protocol] } as never);
      return createStreamkitClient({ transport, retry, ...this.#options });
    }
    const find = this.#inProcess;
    if (find === undefined) throw new Error("there is no server in this process");
    // Looks the server up at each call, because a restart replaces it.
    const current: Transport = {
      unary: (...call) => find(connect.url).unary(...call),
      stream: (...call) => find(connect.url).stream(...call),
    };
    const transport = describeTransport(current, { format: "binary", duplex: true });
    return createStreamkitClient({ transport, retry, wireFormat: "json", ...this.#options });
  }

  async #run(id: bigint, actor: string, call: Call): Promise<void> {
    const abort = new AbortController();
    this.#calls.set(id, abort);
    try {
      const client = this.#actors.get(actor);
      if (client === undefined) throw new Error(`the actor ${actor} is not connected`);
      for await (const message of callSdk(client, call.request!.message, abort.signal)) this.#response(id, message);
      this.#end(id, undefined);
    } catch (error) {
      this.#end(id, error);
    } finally {
      this.#calls.delete(id);
    }
  }

  #response(operationId: bigint, message: Response["message"]): void {
    this.#observe(create(ObservationSchema, { operationId, event: { case: "response", value: { message } } }));
  }

  #end(operationId: bigint, error: unknown): void {
    const value = error === undefined ? {} : { failure: sdkFailure(error) };
    this.#observe(create(ObservationSchema, { operationId, event: { case: "end", value } }));
  }
}
