import type { Transport } from "@connectrpc/connect";

/** How the runner may act on a server, beyond calling it. */
export type ServerControl = "restart" | "kill" | "damage";

/**
 * A server that the suite examines: in this process, a program that the runner controls, or anything at a URL. One of
 * several instances where a cell has more than one on the same data.
 */
export interface ServerUnderTest {
  /** For reports. */
  readonly name: string;
  /** Base URL. For a server in this process, without a port: a name among the instances of its cell, or empty. */
  readonly url: string;
  /** Counts restarts, so that clients know when to connect anew. */
  readonly generation: number;
  /** What of the vocabulary of docs/conformance.md this way of running it adds. */
  readonly capabilities: readonly string[];
  /** For a server in this process. */
  transport?(): Transport;
  /** Stops the server in the way named, and starts it on the same data. */
  act(control: ServerControl): Promise<void>;
  /** Stops the server for good and removes what it left. */
  close(): Promise<void>;
}
