import type { AbstractBatchOperation, AbstractLevel } from "abstract-level";

/**
 * An abstract-level database that can hold a store: its key and value encoding are 'view' (`Uint8Array`), and no one
 * else writes to it while the store is open.
 */
export type Database = AbstractLevel<string | Buffer | Uint8Array, Uint8Array, Uint8Array>;

/** One put or delete of an atomic batch. */
export type Operation = AbstractBatchOperation<Database, Uint8Array, Uint8Array>;
