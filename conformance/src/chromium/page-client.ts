import { clone, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  FailureSchema,
  type Hello,
  type Observation,
  ObservationSchema,
  type Operation,
  OperationSchema,
} from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "../suite/client/client-under-test.ts";

/** A client under test that lives in a page. The page receives its operations, and sends its observations. */
export class PageClient implements ClientUnderTest {
  readonly #number: number;
  readonly #observe: Observer;
  readonly #send: (bytes: Uint8Array) => void;
  /** Operations without an end. */
  readonly #open = new Set<bigint>();
  /** Names of the actors, each at the index that its host name has. */
  readonly #actors: string[] = [];
  readonly #introduced = Promise.withResolvers<Hello>();
  readonly #closed = Promise.withResolvers<void>();
  #hello: Hello | undefined;

  /** @param send sends a message to the page */
  constructor(number: number, observe: Observer, send: (bytes: Uint8Array) => void) {
    this.#number = number;
    this.#observe = observe;
    this.#send = send;
    this.#introduced.promise.catch(() => {});
  }

  get hello(): Hello {
    if (this.#hello === undefined) throw new Error("the client in the page has not said hello yet");
    return this.#hello;
  }

  /** Makes the client in the page. */
  async open(name: string): Promise<void> {
    this.#send(new TextEncoder().encode(name));
    this.#hello = await this.#introduced.promise;
  }

  perform(operation: Operation): void {
    const { action } = operation;
    if (["connect", "call", "disconnect"].includes(action.case ?? "")) this.#open.add(operation.id);
    const sent = action.case === "connect" ? this.#withHostOfActor(operation) : operation;
    this.#send(toBinary(OperationSchema, sent));
  }

  close(): Promise<void> {
    this.#send(new Uint8Array());
    return this.#closed.promise;
  }

  /** Receives a message of the page. */
  received(bytes: Uint8Array): void {
    if (bytes.length === 0) {
      this.#closed.resolve();
      return;
    }
    const observation = fromBinary(ObservationSchema, bytes);
    if (observation.event.case === "hello") this.#introduced.resolve(observation.event.value);
    else this.#observed(observation);
  }

  /** Ends all operations, because the page has ended. */
  lost(message: string): void {
    const failure = create(FailureSchema, { code: "UNKNOWN", message });
    for (const operationId of this.#open) {
      this.#observe(create(ObservationSchema, { operationId, event: { case: "end", value: { failure } } }));
    }
    this.#introduced.reject(new Error(message));
    this.#closed.resolve();
  }

  #observed(observation: Observation): void {
    if (observation.event.case === "end") this.#open.delete(observation.operationId);
    this.#observe(observation);
  }

  /**
   * Gives each actor its own host name for a server on this machine. A browser shares connections among all clients of
   * a host name, and opens at most six over HTTP/1.1, but actors have their own connections.
   */
  #withHostOfActor(operation: Operation): Operation {
    const changed = clone(OperationSchema, operation);
    if (changed.action.case !== "connect") return changed;
    const url = new URL(changed.action.value.url);
    if (!["127.0.0.1", "localhost"].includes(url.hostname)) return changed;
    if (!this.#actors.includes(operation.actor)) this.#actors.push(operation.actor);
    url.hostname = `client-${this.#number}-${this.#actors.indexOf(operation.actor)}.streams.test`;
    changed.action.value.url = url.origin;
    return changed;
  }
}
