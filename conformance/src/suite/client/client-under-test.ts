import type { Hello, Observation, Operation } from "@streamkit/protocol/conformance";

/**
 * A client that the suite drives: built in, or a program that speaks Operation and Observation over its standard
 * streams (proto/streamkit/conformance/v1/operation.proto).
 */
export interface ClientUnderTest {
  /** Who it is and what it can do. */
  readonly hello: Hello;
  /** Starts an operation. What comes of it goes to the observer given at construction. */
  perform(operation: Operation): void;
  /** Ends every call and frees everything. */
  close(): Promise<void>;
}

/** Receives observations as they happen. */
export type Observer = (observation: Observation) => void;

/** Makes a client under test, one per case run, so that cases share nothing. */
export type ClientFactory = (observe: Observer) => Promise<ClientUnderTest>;
