import type { Transport } from "@connectrpc/connect";
import type { Authenticate, Storage } from "@streamkit/server";

/** A server with one fault: the real server, with a wrapper before or behind it. */
export interface Deviation {
  /** Short permanent name, in words with dashes. */
  readonly name: string;
  /** Description of the fault, as the predicate of a sentence about the server. */
  readonly wrong: string;
  /**
   * Part of the protocol with the fault. "instances" runs two instances, both with the fault. The server of "access"
   * checks tokens.
   */
  readonly where:
    | "append"
    | "read"
    | "follow"
    | "admin"
    | "error"
    | "storage"
    | "watch"
    | "lease"
    | "cursor"
    | "presence"
    | "access"
    | "instances";
  /** Interval at which instances poll for commits of others, in milliseconds. */
  readonly pollMillis?: number;
  /** Wraps the check of tokens. Only for the part "access". */
  readonly authenticate?: (real: Authenticate) => Authenticate;
  /** Wraps the transport between callers and the server. Called once per server start. */
  readonly transport?: (next: Transport) => Transport;
  /** Wraps the storage of the server. Called once per server; the returned function is called at each of its starts. */
  readonly storage?: () => (next: Storage, generation: number) => Storage;
}
