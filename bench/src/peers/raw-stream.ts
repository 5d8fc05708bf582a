import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { EntryBatchSchema, StreamService } from "@streamkit/protocol";
import { opaqueMethod } from "@streamkit/protocol/wire";
import { measureRate } from "../measure.ts";
import { startNode, stopProcess, waitForOutput } from "../processes.ts";
import { ReadCheck } from "../read-check.ts";
import type { Peer, Server, ServerPlace, Session, StreamJob } from "./peer.ts";

export const peer: Peer = {
  note:
    "Raw limit: a Connect server stream (gRPC framing, HTTP/2, uncompressed) of frames encoded beforehand, 1,000 records " +
    "of 256 B each; no storage. 'frames' leaves the batches encoded and looks at no entry; 'decoded' is a plain " +
    "protobuf-es client that looks at each entry, as all others here do.",

  version() {
    return "";
  },

  async startServer({ nodeFlags }: ServerPlace): Promise<Server> {
    const child = startNode(fileURLToPath(new URL("raw-stream.server.ts", import.meta.url)), [], nodeFlags);
    const [, address] = await waitForOutput(child, /listening on (\S+)/);
    return { address: address!, stop: () => stopProcess(child) };
  },

  async connect(address: string): Promise<Session> {
    const sessionManager = new Http2SessionManager(address);
    const transport = createGrpcTransport({ baseUrl: address, sessionManager, acceptCompression: [] });
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

      async consumeBatches({ stream, records }: StreamJob) {
        const frames: Uint8Array[] = [];
        const sample = await measureRate(records, async () => {
          for await (const { batches } of opaque.consumeSegment({ segment: stream, limit: BigInt(records) })) {
            frames.push(...batches);
          }
        });
        const check = new ReadCheck();
        for (const frame of frames)
          for (const { payload } of fromBinary(EntryBatchSchema, frame).records) check.see(payload);
        check.expect(records);
        return sample;
      },

      async close() {
        sessionManager.abort();
      },
    };
  },
};
