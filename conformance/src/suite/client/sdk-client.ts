import { create } from "@bufbuild/protobuf";
import { type ClientOptions, createStreamkitClient, type StreamkitClient } from "@streamkit/client";
import {
  type Call,
  type Hello,
  HelloSchema,
  ObservationSchema,
  type Operation,
  Protocol,
  type Response,
} from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "./client-under-test.ts";
import { callSdk } from "./sdk-calls.ts";
import type { OpenSdkTransport, SdkTransportOpener } from "./sdk-transports.ts";
import { sdkFailure } from "./sdk-wire.ts";

/** Short pauses, and many of them: calls outlast a restart of the server on a slow machine. */
const RETRY = { initialDelayMillis: 20, maxDelayMillis: 200, maxAttempts: 1_000 };

interface Actor {
  readonly client: StreamkitClient;
  readonly open: OpenSdkTransport;
}

/**
 * The TypeScript SDK as a client under test: the view of an application, with retries and resumption. The SDK shows
 * entries and results but not the messages that carried them, so this client lacks the capability "raw".
 */
export class SdkClient implements ClientUnderTest {
  readonly hello: Hello = create(HelloSchema, {
    client: "@streamkit/client",
    capabilities: ["actors", "micros", "resume", "segment_status", "leases", "cursors", "presence", "pages"],
    protocols: [
      Protocol.IN_PROCESS,
      Protocol.CONNECT_H1,
      Protocol.CONNECT_H2,
      Protocol.GRPC,
      Protocol.GRPC_WEB,
      Protocol.CONNECT_JSON,
      Protocol.WEBSOCKET,
    ],
  });
  readonly #observe: Observer;
  readonly #open: SdkTransportOpener;
  readonly #actors = new Map<string, Actor>();
  readonly #calls = new Map<bigint, AbortController>();
  readonly #options: Pick<ClientOptions, "longPolling">;

  /**
   * @param observe receives the observations
   * @param open opens the transport of an actor: `sdkTransports()` in Node.js
   * @param options how the client differs from one with all defaults
   */
  constructor(observe: Observer, open: SdkTransportOpener, options: Pick<ClientOptions, "longPolling"> = {}) {
    this.#observe = observe;
    this.#open = open;
    this.#options = options;
  }

  perform(operation: Operation): void {
    const { id, actor, action } = operation;
    switch (action.case) {
      case "connect":
        // The SDK finds the server again after a restart, so an actor keeps its client.
        if (!this.#actors.has(actor)) {
          const open = this.#open(action.value);
          const client = createStreamkitClient({ ...open.options, retry: RETRY, ...this.#options });
          this.#actors.set(actor, { client, open });
        }
        this.#end(id, undefined);
        break;
      case "disconnect":
        this.#actors.get(actor)?.open.close();
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
    for (const { open } of this.#actors.values()) open.close();
  }

  async #run(id: bigint, actor: string, call: Call): Promise<void> {
    const abort = new AbortController();
    this.#calls.set(id, abort);
    try {
      const client = this.#actors.get(actor)?.client;
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
