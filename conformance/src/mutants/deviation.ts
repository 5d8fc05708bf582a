import type { Transport } from "@connectrpc/connect";
import type { Storage } from "@streamkit/server";

/** A server that is broken in one way: the real one, with something put before or behind it. */
export interface Deviation {
  /** Short, permanent, in words with dashes. */
  readonly name: string;
  /** What it does wrong, as a sentence. */
  readonly wrong: string;
  /** The part that is bent; "instances" runs on two instances, both of them bent. */
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
    | "instances";
  /** How often instances look for what others wrote, in milliseconds. */
  readonly pollMillis?: number;
  /** Between callers and the server. Called once per server start. */
  readonly transport?: (next: Transport) => Transport;
  /** Between engine and storage. Called once per server start; the same object sees all starts of one server. */
  readonly storage?: () => (next: Storage, generation: number) => Storage;
}
