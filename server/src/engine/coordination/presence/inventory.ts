import type { Worker } from "@streamkit/protocol";
import { compareNames } from "../../rows/key-space.ts";

/** All workers of a group at one moment. */
export class Inventory {
  /** By id, in byte order. */
  readonly workers: readonly Worker[];

  constructor(workers: Iterable<Worker>) {
    this.workers = [...workers].sort((a, b) => compareNames(a.id, b.id));
  }
}
