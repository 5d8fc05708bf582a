import { appendToLog } from "../src/engine/append/append-to-log.ts";
import { type ExportOptions, exportStore } from "../src/export/export-store.ts";
import { importStore } from "../src/export/import-store.ts";
import { type Instance, segmentAppend } from "./instance.ts";

/** Appends one record to each segment, in one transaction. */
export async function write(
  instance: Instance,
  storeId: string,
  space: string,
  segments: readonly string[],
  { payload = "x", id = crypto.randomUUID() as string } = {},
): Promise<string> {
  const appends = segments.map((segment) => segmentAppend({ segment, payloads: [Buffer.from(payload)] }));
  await instance.withStore(storeId, (store) =>
    store.write(() => appendToLog(store.space(space), { id, repeatable: true, appends })),
  );
  return id;
}

export async function exported(instance: Instance, storeId: string, options: ExportOptions = {}): Promise<Buffer> {
  return instance.withStore(storeId, async (store) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of exportStore(store, options, new AbortController().signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

export function imported(instance: Instance, storeId: string, file: Uint8Array, options = {}) {
  return instance.withStore(storeId, (store) => importStore(pieces(file), async () => store, options));
}

/** A file in pieces that do not fit its chunks. */
export async function* pieces(file: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
}

/** The chunks of a file as they are in it, without the 8 bytes before them. */
export function chunksOf(file: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 8; at < file.length; ) {
    const end = at + 16 + file.readUInt32LE(at + 4);
    chunks.push(file.subarray(at, end));
    at = end;
  }
  return chunks;
}
