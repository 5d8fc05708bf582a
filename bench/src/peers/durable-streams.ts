import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DurableStream, IdempotentProducer } from "@durable-streams/client";
import { measureLatency, measureRate } from "../tools/measure.ts";
import { PAYLOAD_BYTES, payloadAt } from "../tools/payloads.ts";
import { startNode, stopProcess, waitForOutput } from "../tools/processes.ts";
import { ReadCheck } from "../tools/read-check.ts";
import type { Peer, Server, ServerPlace, Session, StreamJob } from "./peer.ts";

const contentType = "application/octet-stream";

export const peer: Peer = {
  note:
    "Durable Streams reference server for Node, file-backed: an ack means fdatasynced data and committed metadata. " +
    "Byte streams without record frames (the reader cuts them at 256 B), without compression: favours Durable Streams.",

  version() {
    return "";
  },

  async startServer({ dataFolder, nodeFlags }: ServerPlace): Promise<Server> {
    const child = startNode(
      fileURLToPath(new URL("durable-streams.server.ts", import.meta.url)),
      [dataFolder],
      nodeFlags,
    );
    const [, address] = await waitForOutput(child, /listening on (\S+)/);
    return { address: address!, stop: () => stopProcess(child) };
  },

  async connect(address: string): Promise<Session> {
    const url = (stream: string) => `${address}/${stream}`;

    return {
      async produce({ stream, records }: StreamJob) {
        const target = await DurableStream.create({ url: url(stream), contentType });
        return measureRate(records, async () => {
          let failure: Error | undefined;
          const producer = new IdempotentProducer(target, "bench", {
            onError: (error) => {
              failure ??= error;
            },
          });
          for (let index = 0; index < records; index++) {
            producer.append(payloadAt(index));
            // append() never waits. Without a pause, the client would queue everything before it sends anything.
            if (index % 4_096 === 4_095) await setImmediate();
          }
          await producer.flush();
          await producer.detach();
          if (failure !== undefined) throw failure;
          const head = await target.head();
          const end = head.exists ? Number(head.offset?.split("_")[1]) : 0;
          if (!(end >= records * PAYLOAD_BYTES)) throw new Error(`the stream ends at byte ${end}`);
        });
      },

      consume: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          const check = new ReadCheck();
          const response = await new DurableStream({ url: url(stream) }).stream({ live: false });
          let rest: Uint8Array = new Uint8Array();
          for await (const chunk of response.bodyStream()) {
            let at = 0;
            if (rest.length > 0) {
              at = Math.min(PAYLOAD_BYTES - rest.length, chunk.length);
              rest = Buffer.concat([rest, chunk.subarray(0, at)]);
              if (rest.length < PAYLOAD_BYTES) continue;
              check.see(rest);
            }
            for (; at + PAYLOAD_BYTES <= chunk.length; at += PAYLOAD_BYTES) {
              check.see(chunk.subarray(at, at + PAYLOAD_BYTES));
            }
            rest = chunk.subarray(at);
          }
          check.expect(records);
        }),

      async append({ stream, records }: StreamJob) {
        const target = await DurableStream.create({ url: url(stream), contentType });
        return measureLatency(records, (index) => target.append(payloadAt(index)));
      },

      async forget({ stream }) {
        await DurableStream.delete({ url: url(stream) });
        return {};
      },

      async close() {},
    };
  },
};
