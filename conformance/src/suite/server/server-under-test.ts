import type { Transport } from "@connectrpc/connect";

/** Actions of the runner on a server, other than calls. */
export type ServerControl = "restart" | "kill" | "damage";

/**
 * A server that the suite examines: a server in this process, a program that the runner controls, or a server at a URL.
 * In a cell with several instances on the same data, it is one of them.
 */
export interface ServerUnderTest {
  /** Name of the server in reports. */
  readonly name: string;
  /** Base URL. For a server in this process: a name among the instances of its cell, or empty. */
  readonly url: string;
  /** Counts restarts, so that clients know when to connect again. */
  readonly generation: number;
  /** Capabilities of docs/conformance.md that this way of running the server adds. */
  readonly capabilities: readonly string[];
  /** Returns a transport to a server in this process. Absent for other servers. */
  transport?(): Transport;
  /** Stops the server in the given way and starts it again on the same data. */
  act(control: ServerControl): Promise<void>;
  /** Stops the server for good and removes its data. */
  close(): Promise<void>;
}
