/** Records in a full frame of the raw stream, as many as a bulk producer puts into a transaction. */
export const FRAME_RECORDS = 1_000;
