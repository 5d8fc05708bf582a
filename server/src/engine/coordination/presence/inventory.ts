import { toBinary } from "@bufbuild/protobuf";
import { SubscribeToWorkersResponseSchema, type Worker } from "@streamkit/protocol";
import { compareNames } from "../../key-space.ts";

/** Shortest time between two inventories for one subscriber, in milliseconds. */
const MIN_GAP_MILLIS = 20;
/** Bytes of inventories that one group may send in a second, to all its subscribers on this instance. */
const BYTES_PER_SECOND = 16 * 1024 * 1024;

/** All workers of a group at one moment. */
export class Inventory {
  /** By id, in byte order. */
  readonly workers: readonly Worker[];
  #encoded: Uint8Array | undefined;

  constructor(workers: Iterable<Worker>) {
    this.workers = [...workers].sort((a, b) => compareNames(a.id, b.id));
  }

  /** As an encoded SubscribeToWorkersResponse: made once, for all subscribers. */
  get encoded(): Uint8Array {
    this.#encoded ??= toBinary(SubscribeToWorkersResponseSchema, {
      $typeName: "streamkit.v1.SubscribeToWorkersResponse",
      workers: [...this.workers],
    });
    return this.#encoded;
  }

  /**
   * How long a subscriber waits after one inventory before it gets the next, in milliseconds. Everyone gets everything, so
   * what a change costs is the product of workers and subscribers; this bounds what many changes cost, whatever their number.
   */
  gapMillis(subscribers: number): number {
    return Math.max(MIN_GAP_MILLIS, (1_000 * subscribers * this.encoded.length) / BYTES_PER_SECOND);
  }
}
