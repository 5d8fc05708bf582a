import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { EntryBatchSchema, StreamService } from "@streamkit/protocol";
import { opaqueMethod } from "@streamkit/protocol/wire";
import { measureLatency, measureRate } from "../tools/measure.ts";
import { payloadAt } from "../tools/payloads.ts";
import { startNode, stopProcess, waitForOutput } from "../tools/processes.ts";
import { ReadCheck } from "../tools/read-check.ts";
import { FRAME_RECORDS } from "./frame-records.ts";
import type { Peer, Server, ServerPlace, Session, StreamJob } from "./peer.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

export const peer: Peer = {
  note:
    "Raw limit: a Connect server stream over the transport of Streamkit's client (gRPC framing, HTTP/2, uncompressed), of " +
    "frames encoded beforehand, 1,000 records of 256 B each; no storage. 'frames' leaves the batches encoded and looks at no entry; 'decoded' is a plain " +
    "protobuf-es client that looks at each entry, as all others here do. Appends: Streamkit's " +
    "client against a server that answers at once.",

  version() {
    return "";
  },

  async startServer({ nodeFlags }: ServerPlace): Promise<Server> {
    const child = startNode(fileURLToPath(new URL("raw-stream.server.ts", import.meta.url)), [], nodeFlags);
    const [, address] = await waitForOutput(child, /listening on (\S+)/);
    return { address: address!, stop: () => stopProcess(child) };
  },

  async connect(address: string): Promise<Session> {
    const transport = createNodeTransport({ baseUrl: address });
    const streamkit = createStreamkitClient({ transport });
    const decoding = createClient(StreamService, transport);
    const opaque = createClient(
      {
        ...StreamService,
        methods: [opaqueMethod.consumeSegment],
        method: { consumeSegment: opaqueMethod.consumeSegment },
      },
      transport,
    );

    return {
      consume: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          const check = new ReadCheck();
          for await (const { batches } of decoding.consumeSegment({ segment: stream, limit: BigInt(records) })) {
            for (const batch of batches) for (const { payload } of batch.records) check.see(payload);
          }
          check.expect(records);
        }),

      consumeBatches: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          let entries = 0;
          let latest: Uint8Array | undefined;
          for await (const { batches } of opaque.consumeSegment({ segment: stream, limit: BigInt(records) })) {
            latest = batches.at(-1)!;
            entries += batches.length * FRAME_RECORDS;
          }
          // Frames stay encoded, but the last one must contain the last written entry.
          const last = fromBinary(EntryBatchSchema, latest!);
          entries += last.records.length - FRAME_RECORDS;
          if (entries !== records) throw new Error(`read ${entries} entries, expected ${records}`);
          if (!payloadAt(records - 1).equals(last.records.at(-1)!.payload))
            throw new Error("the last frame is not the last");
        }),

      /** Streamkit's client against a server that does nothing: the cost of the calls alone. */
      append: ({ records }: StreamJob) => {
        const segment = streamkit.store(STORE).space("bench").segment("bench");
        return measureLatency(records, (index) => segment.append([payloadAt(index)]));
      },

      async appendInSession({ records }: StreamJob) {
        await using session = streamkit.store(STORE).space("bench").session();
        return await measureLatency(records, (index) =>
          session.append([{ segment: "bench", records: [payloadAt(index)] }]),
        );
      },

      async close() {},
    };
  },
};
