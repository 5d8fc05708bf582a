import type { Hello, Observation, Operation } from "@streamkit/protocol/conformance";

/**
 * A client that the suite drives: a built-in client, or a program that speaks Operation and Observation over its
 * standard streams (proto/streamkit/conformance/v1/operation.proto).
 */
export interface ClientUnderTest {
  /** Name and capabilities of the client. */
  readonly hello: Hello;
  /** Starts an operation. The observer given at construction receives its observations. */
  perform(operation: Operation): void;
  /** Ends every call and releases all resources. */
  close(): Promise<void>;
}

/** Receives observations as they happen. */
export type Observer = (observation: Observation) => void;

/** Creates a client under test. Each run of a case has its own, so cases share no state. */
export type ClientFactory = (observe: Observer) => Promise<ClientUnderTest>;
