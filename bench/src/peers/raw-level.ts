import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { measureLatency, measureRate } from "../tools/measure.ts";
import { payloadAt } from "../tools/payloads.ts";
import type { Peer, Server, ServerPlace, Session, StreamJob } from "./peer.ts";

const BLOCK_RECORDS = 1_000;
/** Bytes of a record in a block: its payload, and its share of names, lengths and a header. */
const RECORD_BYTES = 270;
/** The options of Streamkit's LevelDB storage. */
const DATABASE_OPTIONS = { cacheSize: 8 * 1_048_576, writeBufferSize: 32 * 1_048_576 };

export const peer: Peer = {
  note: "Raw limit: LevelDB itself through classic-level, every write synced; no server, no network, no records.",

  version() {
    return "";
  },

  async startServer({ dataFolder }: ServerPlace): Promise<Server> {
    return { address: dataFolder, async stop() {} };
  },

  async connect(address: string): Promise<Session> {
    const open = async (stream: string) => {
      const database = new ClassicLevel<Buffer, Buffer>(join(address, stream), {
        keyEncoding: "buffer",
        valueEncoding: "buffer",
        ...DATABASE_OPTIONS,
      });
      await database.open();
      return database;
    };
    const key = (index: number, row = 0) => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(row, 4);
      bytes.writeUInt32BE(index, 12);
      return bytes;
    };

    return {
      /** Writes the records as prepared blocks: the cost of the disk path alone. */
      async produce({ stream, records }: StreamJob) {
        const database = await open(stream);
        const blocks = Array.from({ length: 8 }, () => randomBytes(BLOCK_RECORDS * RECORD_BYTES));
        const sample = await measureRate(records, async () => {
          for (let index = 0; index * BLOCK_RECORDS < records; index++) {
            const size = Math.min(BLOCK_RECORDS, records - index * BLOCK_RECORDS) * RECORD_BYTES;
            await database.batch(
              [{ type: "put", key: key(index), value: blocks[index % blocks.length].subarray(0, size) }],
              { sync: true },
            );
          }
        });
        await database.close();
        return sample;
      },

      /** The four rows of one small commit: space head, segment head, and the block in both indexes. */
      async append({ stream, records }: StreamJob) {
        const database = await open(stream);
        const head = randomBytes(64);
        const sample = await measureLatency(records, (index) => {
          const block = Buffer.concat([head, payloadAt(index)]);
          return database.batch(
            [
              { type: "put", key: key(0, 1), value: head },
              { type: "put", key: key(0, 2), value: head },
              { type: "put", key: key(index, 3), value: block },
              { type: "put", key: key(index, 4), value: block },
            ],
            { sync: true },
          );
        });
        await database.close();
        return sample;
      },

      async forget({ stream }) {
        await ClassicLevel.destroy(join(address, stream));
        return {};
      },

      async close() {},
    };
  },
};
