import type { AbstractBatchOperation, AbstractLevel } from "abstract-level";

/**
 * An abstract-level database that can hold a store. Its key and value encodings are 'view' (`Uint8Array`). While the
 * store is open, its `WriteQueue` is the only writer.
 */
export type Database = AbstractLevel<string | Buffer | Uint8Array, Uint8Array, Uint8Array>;

/** One put or delete of an atomic batch. */
export type Operation = AbstractBatchOperation<Database, Uint8Array, Uint8Array>;
