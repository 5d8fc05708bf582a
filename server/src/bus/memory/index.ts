import type { Bus } from "../port.ts";
import { MemoryBus } from "./bus.ts";

export interface MemoryBusOptions {
  /** Buses with the same prefix hear each other. Default: "streamkit". */
  readonly prefix?: string;
}

/**
 * A bus within this process, for several instances in one process, and for tests. Make one for each instance, as an
 * instance closes its bus: all with the same prefix hear each other.
 */
export function memoryBus(options: MemoryBusOptions = {}): Bus {
  return new MemoryBus(options.prefix ?? "streamkit");
}
