import type { Storage } from "../port.ts";
import { MemoryStorage } from "./storage.ts";

export interface MemoryStorageOptions {
  /**
   * Allow several opens of one store at a time, as if several servers shared the storage. All handles see the same
   * rows, and conditions hold across handles. Default: false; a second open fails.
   */
  readonly shared?: boolean;
}

/**
 * Storage in the memory of this process, for tests and for data that need not outlive the process. A store keeps its
 * data when it is closed.
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  return new MemoryStorage(options);
}
