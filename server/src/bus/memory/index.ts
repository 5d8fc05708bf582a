import type { Bus } from "../port.ts";
import { MemoryBus } from "./bus.ts";

export interface MemoryBusOptions {
  /** Buses with the same prefix hear each other. Default: "streamkit". */
  readonly prefix?: string;
}

/**
 * A bus within this process, for several instances in one process, and for tests. Buses with the same prefix hear each
 * other. Make one bus per instance: an instance closes its bus.
 */
export function memoryBus(options: MemoryBusOptions = {}): Bus {
  return new MemoryBus(options.prefix ?? "streamkit");
}
